// Lines for the operator. A logger is passed to who needs one; NULL is silent. The sink decides
// about time stamps and files, and may be called from jobs: it must be thread safe.
#ifndef VARVE_BASE_LOGGER_H
#define VARVE_BASE_LOGGER_H

enum log_level { LOG_DEBUG, LOG_VERBOSE, LOG_NOTICE, LOG_WARNING };

struct logger {
    enum log_level level; // lines below it are not formatted
    void (*write)(struct logger *logger, enum log_level level, const char *line);
};

void log_line(struct logger *logger, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
