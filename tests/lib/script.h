/* script.h: a rollout as a story: the same core and driver in the simulator's world, without faults
 * and with fixed durations, and a transcript of what happened, with times.
 *
 *     struct script *script = script_begin();
 *     script_publish(script, "web:1 count=2 check");
 *     script_run(script, SECONDS(5));
 *     script_expect(script, " 0.2  web: deployment 1 of web:1 begins\n"
 *                           " 0.2  pull web:1\n"
 *                           ...);
 *     script_end(script);
 *
 * Times are seconds since the scene began; script_expect() ends a scene. "~15.3" is a time that
 * depends on jitter: between two thirds and one and a half of it will do. A task is called
 * service/slot@generation, and after its first attempt service/slot@generation.attempt.
 *
 * In this world a call takes 0.1 s, a pull 2 s more, a stop 0.5 s more, a save 0.04 s, a fetch
 * 0.2 s; a container with a check is healthy half a second after its start; how it behaves
 * otherwise is the last word of its image's tag, see behaviours[] in tests/sim/runtime.c. All
 * invariants of the simulation hold as well: script_expect() fails with the one that broke.
 *
 * With SCRIPT_PRINT in the environment nothing is compared: the transcripts are printed, to be read
 * and pasted. With SCRIPT_SEED=n the jitter is another one. */
#ifndef BERTH_TEST_SCRIPT_H
#define BERTH_TEST_SCRIPT_H

#include "tests/sim/sim.h"

struct script;

/* Lines that are left out of a transcript unless they are asked for. */
enum script_show {
    SHOW_REMOVE = 1,    /* removals */
    SHOW_CAUSE = 2,     /* why a container is created or started, an image pulled */
    SHOW_STATUS = 4,    /* ECS's status words, the agent's own events */
    SHOW_PROBE = 8,     /* every probe */
    SHOW_LOOK = 16,     /* every look */
    SHOW_FETCH = 32,    /* every fetch */
    SHOW_DOCUMENT = 64, /* documents that take effect */
    SHOW_SAVE = 128,
    SHOW_ALWAYS = 256,
};

struct script *script_begin(void); /* the agent runs, and has no document yet */
struct script *script_begin_with(const struct core_options *options);
void script_end(struct script *script);
struct world *script_world(struct script *script);
struct core *script_core(struct script *script);
void script_show(struct script *script, unsigned what);

/* A document: "web:1 count=2 check; db:3 port=5432; once job-7 job:1".
 *
 * Services are separated by ";": family:revision, which also names the service and the image, then
 *   count=N min=PERCENT max=PERCENT daemon grace=SECONDS publish=PORT (with an HTTP check)
 * and of its containers, each begun by "+ NAME" (without any there is one, "app"):
 *   check image=IMAGE port=HOST_PORT optional needs=NAME:CONDITION,... start=SECONDS stop=SECONDS
 *   restart=PERIOD ignore=CODE
 * "once ID family:revision" is a one-off task. The result is freed by the caller. */
char *script_document(const char *text, int64_t revision);
struct desired *script_desired(const char *text, int64_t revision); /* desired_unref() */
/* At the source, with the next revision, and the agent is told to poll. */
void script_publish(struct script *script, const char *text);
void script_publish_as(struct script *script, int64_t revision, const char *text);

void script_run(struct script *script, msec duration);
void script_command(struct script *script, enum command_kind command, const char *subject);
void script_restart_agent(struct script *script); /* killed, and there again at once */

/* The runtime's name of a container: of the oldest that runs; asserts that there is one. */
const char *script_container(struct script *script, const char *service, int64_t slot,
                             const char *container);
void script_exits(struct script *script, const char *service, int64_t slot, const char *container,
                  int code);

void script_sickens(struct script *script, const char *service, int64_t slot, bool sick);

/* A running container with our labels that this agent never made: task id and container name are
 * `letter` 32 times and "app"; the rest is for the test to spoil. */
struct fake_container *script_plant(struct script *script, const char *service, char letter);

/* What happened since the last time; ends the scene. */
void script_expect(struct script *script, const char *transcript);
void script_skip(struct script *script);      /* ends the scene without telling it */
void script_expect_ok(struct script *script); /* no invariant is broken */
const char *script_transcript(const struct script *script);
/* Why a service waits, in `why`'s words: "restart backoff: slot 0, 2 deaths in a row". */
void script_expect_wait(struct script *script, const char *service, const char *text);

#endif
