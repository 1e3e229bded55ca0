// A stand-in for the part of Criterion that our tests use, for builds in which Criterion cannot run
// (ThreadSanitizer). Tests register themselves before main; runner.c runs each in a forked child
// and prints Criterion's last line.
#ifndef VARVE_TESTS_PLAIN_CRITERION_H
#define VARVE_TESTS_PLAIN_CRITERION_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plain_options {
    void (*init)(void);
    void (*fini)(void);
    double timeout; // seconds
    bool disabled;
    const char *description;
    int signal, exit_code; // how the test is expected to end
};

struct plain_test {
    const char *suite, *name; // name NULL: the options of a suite
    void (*run)(void);
    struct plain_options options;
    struct plain_test *next;
};

void plain_register(struct plain_test *test);
_Noreturn void plain_failed(const char *file, int line, const char *condition);
void plain_message(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define PLAIN_REGISTER(id, test_suite, test_name, fn, ...)                                         \
    static struct plain_test id##_entry;                                                           \
    __attribute__((constructor)) static void id##_register(void)                                   \
    {                                                                                              \
        id##_entry = (struct plain_test){test_suite, test_name, fn, {__VA_ARGS__}, NULL};          \
        plain_register(&id##_entry);                                                               \
    }

#define Test(suite, name, ...)                                                                     \
    static void suite##_##name##_test(void);                                                       \
    PLAIN_REGISTER(suite##_##name, #suite, #name, suite##_##name##_test, __VA_ARGS__)              \
    static void suite##_##name##_test(void)

#define TestSuite(suite, ...) PLAIN_REGISTER(suite##_suite, #suite, NULL, NULL, __VA_ARGS__)

// The message is optional, as in Criterion: a blank is put before it.
#define PLAIN_CHECK(condition, text, ...)                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            plain_message(" " __VA_ARGS__);                                                        \
            plain_failed(__FILE__, __LINE__, text);                                                \
        }                                                                                          \
    } while (0)

#define cr_assert(condition, ...) PLAIN_CHECK(condition, #condition, __VA_ARGS__)
#define cr_assert_not(condition, ...) PLAIN_CHECK(!(condition), "not " #condition, __VA_ARGS__)
#define cr_assert_fail(...) PLAIN_CHECK(false, "fail", __VA_ARGS__)
#define cr_assert_eq(a, b, ...) PLAIN_CHECK((a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...) PLAIN_CHECK((a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...) PLAIN_CHECK((a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...) PLAIN_CHECK((a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...) PLAIN_CHECK((a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...) PLAIN_CHECK((a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_assert_null(a, ...) PLAIN_CHECK((a) == NULL, #a " is NULL", __VA_ARGS__)
#define cr_assert_not_null(a, ...) PLAIN_CHECK((a) != NULL, #a " is not NULL", __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) PLAIN_CHECK(strcmp(a, b) == 0, #a " equals " #b, __VA_ARGS__)
#define cr_assert_str_neq(a, b, ...)                                                               \
    PLAIN_CHECK(strcmp(a, b) != 0, #a " differs from " #b, __VA_ARGS__)
#define cr_assert_str_empty(a, ...) PLAIN_CHECK((a)[0] == '\0', #a " is empty", __VA_ARGS__)
#define cr_assert_arr_eq(a, b, size, ...)                                                          \
    PLAIN_CHECK(memcmp(a, b, size) == 0, #a " equals " #b, __VA_ARGS__)
#define cr_assert_float_eq(a, b, epsilon, ...)                                                     \
    PLAIN_CHECK((a) - (b) <= (epsilon) && (b) - (a) <= (epsilon), #a " is about " #b, __VA_ARGS__)

// An expectation that fails ends the test here.
#define cr_expect cr_assert
#define cr_expect_not cr_assert_not
#define cr_expect_fail cr_assert_fail
#define cr_expect_eq cr_assert_eq
#define cr_expect_neq cr_assert_neq
#define cr_expect_lt cr_assert_lt
#define cr_expect_leq cr_assert_leq
#define cr_expect_gt cr_assert_gt
#define cr_expect_geq cr_assert_geq
#define cr_expect_null cr_assert_null
#define cr_expect_not_null cr_assert_not_null
#define cr_expect_str_eq cr_assert_str_eq
#define cr_expect_str_neq cr_assert_str_neq
#define cr_expect_str_empty cr_assert_str_empty
#define cr_expect_arr_eq cr_assert_arr_eq
#define cr_expect_float_eq cr_assert_float_eq
#define cr_log_info(...) ((void)(printf(__VA_ARGS__), printf("\n")))
#define cr_skip_test(...) exit(0)

#endif
