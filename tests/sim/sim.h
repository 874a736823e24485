/* sim.h: the very same core and driver in a fake world, from one seed.
 *
 * world.c     virtual clock, the queue of what happens later, the life and death of the agent
 * runtime.c   a container runtime: containers, images, latencies, faults, events
 * source.c    the document's source and the store
 * scenario.c  random documents, and faults drawn from the seed
 * checks.c    invariants, each on its own
 * run.c       chaos then calm, strict, failing; transcripts
 *
 * An image's tag says how its containers behave, see behaviour_of(). */
#ifndef BERTH_SIM_H
#define BERTH_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "berth/arena.h"
#include "berth/driver.h"
#include "berth/prng.h"
#include "berth/str.h"

#define SIM_CONTAINERS_MAX 4000
#define SIM_IMAGES_MAX 400

/* Each a probability per opportunity, drawn per run ("swarm"): most are zero in most runs. */
struct knobs {
    double refuse;       /* the runtime says no for reasons of its own */
    double reply_lost;   /* it happened, but no answer came */
    double request_lost; /* it did not happen, and no answer came */
    double hang;         /* an answer after the deadline */
    double event_dropped, event_doubled, event_late;
    double pull_fails;
    double exits;    /* per container and minute: a healthy one dies */
    double oom;      /* of those, by the kernel */
    double vanishes; /* per container and minute: somebody removes it */
    double look_fails, inspect_fails;
    double fetch_fails, fetch_garbage, fetch_older;
    double save_fails;
    double memory_lost;      /* per start of the agent */
    double agent_killed;     /* per action, before it is performed */
    double runtime_restarts; /* per minute */
    double containers_die_with_runtime;
    double clock_jumps; /* of the wall clock, per minute */
    msec latency_max;
    msec pull_max;
    msec fetch_max;
};

struct behaviour {
    bool absent;      /* the registry does not know it */
    bool bad_command; /* start is refused */
    bool never_healthy;
    msec healthy_after;
    msec exits_after; /* 0 = runs on */
    int exit_code;
    msec flap_period;
    bool slow_stop; /* ignores SIGTERM */
};

struct fake_container {
    bool exists;
    char id[65], name[128], image[128];
    enum runtime_state state;
    bool started, oom;
    int exit_code;
    msec started_at, created_wall, started_wall, finished_wall;
    uint64_t life; /* of the agent that started it */
    uint64_t run;  /* counts starts; an exit scheduled for an earlier run is void */
    bool ours;
    /* labels */
    char host[64], service[64], one_off[64], task_id[TASK_ID_LEN + 1], container[64];
    char digest[DIGEST_HEX_LEN + 1], definition[80], depends_on[200];
    int64_t generation, slot, attempt;
    bool essential;
    int64_t containers_of_task, stop_timeout_s;
    bool health_check; /* docker's own */
    bool sick;         /* a transcript made it so */
    int64_t host_port; /* fixed, 0 = none */
};

struct fake_image {
    char name[128];
    bool local;
};

enum later_kind {
    LATER_EFFECT,
    LATER_REPLY,
    LATER_EXIT,
    LATER_HINT,
    LATER_HEALTH, /* of a container with a check may have changed */
    LATER_WAKE,
    LATER_RUNTIME_UP,
    LATER_START_AGENT
};

struct later {
    msec at;
    uint64_t order; /* ties are broken by it: same seed, same world */
    enum later_kind kind;
    uint64_t life;      /* of the agent: a reply to an earlier one is void */
    struct event event; /* REPLY */
    char text[200], error[64];
    struct action action;       /* EFFECT; pointers are void, see the copies */
    struct fake_container wish; /* CREATE */
    char name[128];
    uint64_t run;
    bool reply, effect, refuse, look;
    enum blame blame;
    msec reply_at;
    struct memory *memory; /* SAVE */
    bool healthy;
};

struct world {
    uint64_t seed;
    struct prng prng;
    struct knobs knobs;
    bool strict, calm;
    bool steady;         /* transcripts: everything takes as long as it can */
    msec retry_after_ms; /* what the source asks for, 0 = nothing */
    msec now, wall_offset;
    uint64_t next_order;
    struct later *queue; /* a binary heap by (at, order) */
    size_t queue_count, queue_capacity;
    uint64_t steps;
    msec busy_at;
    int busy_steps;

    struct core_options options;
    struct core *core;
    struct driver driver;
    uint64_t life;
    msec life_began;
    bool agent_up, kill_pending, in_step;
    msec wake_at;
    uint64_t wake_life;

    bool runtime_up;
    struct fake_container *containers;
    size_t container_count;
    struct fake_image images[SIM_IMAGES_MAX];
    size_t image_count;
    int pulls_in_flight;

    char *published; /* the document at the source */
    int64_t published_revision, highest_revision;
    bool definition_good[8];
    int64_t definition_revision[8]; /* of each service's task definition */
    char *stored;                   /* last accepted, on disk */
    struct memory *memory;          /* on disk */

    /* what checks.c remembers */
    struct witness *witness;
    struct str trace;
    bool tracing;
    /* A transcript's: before each action, and with NULL after each event. */
    void (*listen)(struct world *world, const struct action *action);
    void (*foresee)(struct world *world, const struct event *event); /* before each event */
    void *listener;
    char failure[600]; /* "" = all is well */
};

/* world.c */
void world_init(struct world *world, uint64_t seed, bool strict);
void world_release(struct world *world);
void world_start_agent(struct world *world);
void world_kill_agent(struct world *world);
bool world_run_until(struct world *world, msec until); /* false: a check failed */
struct later *world_later(struct world *world, msec at, enum later_kind kind);
void world_event(struct world *world, struct event *event);
msec world_wall(const struct world *world);
bool world_chance(struct world *world, double probability);
msec world_between(struct world *world, msec low, msec high);
__attribute__((format(printf, 2, 3))) void world_trace(struct world *world, const char *format,
                                                       ...);
__attribute__((format(printf, 2, 3))) void world_fail(struct world *world, const char *format, ...);

/* runtime.c */
struct behaviour behaviour_of(const char *image);
void runtime_perform(struct world *world, const struct action *action);
void runtime_effect(struct world *world, struct later *later);
void runtime_exit(struct world *world, const char *name, uint64_t run, int code, bool oom);
void runtime_sicken(struct world *world, const char *name, bool sick);
void runtime_health(struct world *world, const char *name, uint64_t run);
void runtime_vanish(struct world *world, const char *name);
void runtime_restart(struct world *world, bool containers_die);
bool runtime_healthy(const struct world *world, const struct fake_container *container);
struct fake_container *runtime_find(struct world *world, const char *name);
struct observed *runtime_snapshot(struct world *world, const char *name);
void runtime_add_foreign(struct world *world);

/* source.c */
void source_perform(struct world *world, const struct action *action);
void source_publish(struct world *world, int64_t revision, const char *document);
void save_perform(struct world *world, const struct action *action);

/* scenario.c */
void scenario_knobs(struct world *world);
void scenario_publish(struct world *world, bool final_good, bool failing);
void scenario_disturb(struct world *world); /* once a virtual minute */

/* checks.c */
void checks_open(struct world *world);
void checks_close(struct world *world);
void checks_action(struct world *world, const struct action *action); /* before it is performed */
void checks_answered(struct world *world, uint64_t action);
void checks_look_given(struct world *world, bool full);
void checks_document_given(struct world *world);
void checks_save_failed(struct world *world);
void checks_one_off_ran(struct world *world, const char *id);
void checks_agent_died(struct world *world);
void checks_said(struct world *world, uint64_t changes_before);
void checks_converged(struct world *world);
void checks_failed_safely(struct world *world, const char *service);

/* run.c */
struct sim_result {
    bool ok;
    char failure[600];
    msec virtual_ms;
    uint64_t steps, trace_hash;
    char *trace; /* only when asked for */
};
enum sim_kind { SIM_CHAOS, SIM_STRICT, SIM_FAILING };
struct sim_result sim_run(uint64_t seed, enum sim_kind kind, bool trace);

#endif
