#include "base/logger.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

void log_line(struct logger *logger, enum log_level level, const char *format, ...)
{
    if (logger == NULL || level < logger->level)
        return;
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    logger->write(logger, level, line);
}
