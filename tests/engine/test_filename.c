#include <criterion/criterion.h>

#include "engine/filename.h"

Test(filename, what_is_spelled_is_parsed)
{
    const uint64_t numbers[] = {1, 7, 123456, FILENAME_NUMBER_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char path[FILENAME_PATH_SIZE];
        uint64_t n;
        filename_table(path, "d", numbers[i]);
        cr_assert(filename_parse(path + 2, &n) == FILENAME_TABLE && n == numbers[i]);
        filename_log(path, "d", numbers[i]);
        cr_assert(filename_parse(path + 2, &n) == FILENAME_LOG && n == numbers[i]);
        filename_manifest(path, "d", numbers[i]);
        cr_assert(filename_parse(path + 2, &n) == FILENAME_MANIFEST && n == numbers[i]);
        filename_log(path, "d", numbers[i]);
        char tmp[FILENAME_PATH_SIZE];
        filename_tmp(tmp, path);
        cr_assert(filename_parse(tmp + 2, &n) == FILENAME_TMP && n == 0);
    }
}

Test(filename, what_is_spelled_otherwise_is_not_ours)
{
    const char *const foreign[] = {"", "1", ".log", "01.log", "+1.log", "-1.log", " 1.log",
        "1.log.bak", "1.logx", "x1.log", "0x1.log", "MANIFEST-", "MANIFEST-01", "MANIFEST-1.log",
        "manifest-1", "9223372036854775808.sst", "18446744073709551617.sst",
        "99999999999999999999999.sst", ".tmp", "LOCK", "CURRENT"};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        uint64_t n = 1;
        cr_assert_eq(filename_parse(foreign[i], &n), FILENAME_OTHER, "%s", foreign[i]);
        cr_assert_eq(n, 0);
    }
}

Test(filename, current_names_one_manifest_exactly)
{
    char text[FILENAME_CURRENT_MAX];
    uint64_t n;
    size_t len = filename_current_encode(text, 42);
    cr_assert(filename_current_decode(slice_of(text, len), &n) && n == 42);
    for (size_t cut = 0; cut < len; cut++)
        cr_assert_not(filename_current_decode(slice_of(text, cut), &n));
    for (size_t at = 0; at < len; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            char was = text[at];
            text[at] = (char)byte;
            if ((char)byte != was && filename_current_decode(slice_of(text, len), &n))
                cr_assert(n > 0 && byte >= '0' && byte <= '9');
            text[at] = was;
        }
    }
    cr_assert_not(filename_current_decode(slice_cstr("MANIFEST-0\n"), &n));
    cr_assert_not(filename_current_decode(slice_cstr("MANIFEST-4\n\n"), &n));
    cr_assert_not(filename_current_decode(slice_cstr("4.log\n"), &n));
}
