// How a metric becomes a row: METRIC(NAME, KIND, EXPRESSION) in a list, where the expression sees
// `x` (struct info) and `s` (the server). A list is expanded twice, to getters and to rows: see
// info_table.c.
#ifndef VARVE_SERVER_INFO_INFO_ROWS_H
#define VARVE_SERVER_INFO_INFO_ROWS_H

#define METRIC_SET_TEXT(v, e) (v)->text = (e)
#define METRIC_SET_COUNTER(v, e) (v)->number = (int64_t)(e)
#define METRIC_SET_GAUGE(v, e) (v)->number = (int64_t)(e)
#define METRIC_SET_HUMAN(v, e) (v)->number = (int64_t)(e)
#define METRIC_SET_RATIO(v, e) (v)->real = (e)
#define METRIC_SET_PERCENT(v, e) (v)->real = (e)
#define METRIC_SET_SECONDS(v, e) (v)->real = (e)

#define METRIC_GETTER(name, kind, expression)                                                      \
    static void get_##name(const struct info *x, struct metric_value *v)                           \
    {                                                                                              \
        const struct server *s = x->server;                                                        \
        (void)s;                                                                                   \
        METRIC_SET_##kind(v, expression);                                                          \
    }
#define METRIC_ROW(name, kind, expression) {#name, METRIC_##kind, get_##name},

#endif
