// Any bytes as a configuration file: read or refused with a message. What was read, written as
// CONFIG REWRITE does, is read again and says the same: a rewritten file never keeps a server from
// starting.
#include <stdlib.h>

#include "base/ensure.h"
#include "server/config/config_impl.h"
#include "server/config/config_parse.h"
#include "server/config/config_rewrite.h"
#include "tests/sim/sim_env.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Whether nothing is wrong with it; what is wrong is said.
static bool read_text(struct config *c, struct slice text)
{
    struct error err = {0};
    struct config_source source = {"fuzz.conf", 0, 0};
    config_read_text(c, &source, text, &err);
    ENSURE((c->problem_count > 0) == (c->problems.len > 0));
    return c->problem_count == 0;
}

static void check_rewritten(const struct config *c, struct env *env)
{
    struct buf text = {0};
    config_rewrite_text(c, slice_cstr(""), &text);
    struct config *again = config_new(env);
    ENSURE(read_text(again, buf_slice(&text)));
    for (int i = 0; i < config_row_count(); i++)
        ENSURE(slice_equal(config_row_value(c, i), config_row_value(again, i)));
    config_free(again);
    buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sim_env *sim = sim_env_new(1);
    sim_env_write_file(sim, "/other.conf", slice_cstr("port 7000\nsave 60 1\n"));
    struct config *c = config_new(sim_env_env(sim));
    if (read_text(c, slice_of(data, size))) {
        config_derive(c);
        check_rewritten(c, sim_env_env(sim));
    }
    config_free(c);
    sim_env_free(sim);
    return 0;
}
