// sim_exec: implements engine/exec.h in one thread, under a seed and the virtual clock of a
// sim_env. Jobs wait in their lane; as many as the lane has slots have begun. A step picks at
// random among all that may happen next: the `run` of a job that has begun, the `done` of one that
// has run, the timer that is due. So every order that the contract allows comes up under some seed,
// and always the same one.
//
// A job's run takes virtual time if the test says so. Nothing else moves the clock, except
// sim_exec_drive (and exec_drive), which go on to the next timer when nothing else is to do.
#ifndef VARVE_TESTS_SIM_EXEC_H
#define VARVE_TESTS_SIM_EXEC_H

#include "engine/exec.h"
#include "tests/sim/sim_env.h"

struct sim_exec;

// The env gives the time and outlives the exec. Slots: 4 in the read lane, 1 in the others.
struct sim_exec *sim_exec_new(struct sim_env *env, uint64_t seed);
// No job is under way; timers that still run are forgotten.
void sim_exec_free(struct sim_exec *sim);
struct exec *sim_exec_exec(struct sim_exec *sim);
void sim_exec_set_slots(struct sim_exec *sim, enum exec_lane lane, unsigned slots);
// A run in this lane takes up to so much virtual time, by the seed.
void sim_exec_set_run_us(struct sim_exec *sim, enum exec_lane lane, uint64_t us_max);
// While held, jobs of a lane do not begin (those that have begun go on): a stuck disk.
void sim_exec_hold(struct sim_exec *sim, enum exec_lane lane, bool hold);

// One thing happens; false if nothing can without time going on.
bool sim_exec_step(struct sim_exec *sim);
// Steps until nothing can happen without time going on.
void sim_exec_settle(struct sim_exec *sim);
// As exec_drive, which is this.
bool sim_exec_drive(struct sim_exec *sim);
// Lets ms of virtual time pass, with everything that happens in it.
void sim_exec_run_for(struct sim_exec *sim, uint64_t ms);

unsigned sim_exec_jobs(const struct sim_exec *sim); // submitted, done not called
unsigned sim_exec_jobs_in(const struct sim_exec *sim, enum exec_lane lane);
unsigned sim_exec_timers(const struct sim_exec *sim);

#endif
