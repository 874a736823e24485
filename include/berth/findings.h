/* findings.h: everything wrong or doubtful in one document, each with its JSON path.
 *
 * path is like "services[0].publish[1].hostPort", "." for the document as a whole. code is one of
 * the FINDING_* words below: programs match it, people read the message. A list keeps at most
 * FINDINGS_MAX entries and counts the rest in `dropped`; errors are never displaced by warnings.
 * `errors` and `warnings` count all that were found, kept or not. Text that is quoted from a
 * document comes out printable and as valid UTF-8. A list that is all zero is ready for use. */
#ifndef BERTH_FINDINGS_H
#define BERTH_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "berth/arena.h"
#include "berth/limits.h"

struct json_writer;

#define FINDING_NOT_JSON "NotJson"   /* malformed, duplicate key, depth, encoding */
#define FINDING_TOO_LARGE "TooLarge" /* over a bound of limits.h */
#define FINDING_MISSING "MissingField"
#define FINDING_TYPE "InvalidType"
#define FINDING_RANGE "OutOfRange"
#define FINDING_VALUE "InvalidValue" /* not in the enum, bad characters, ... */
#define FINDING_DUPLICATE "Duplicate"
#define FINDING_UNKNOWN_FIELD "UnknownField"         /* a warning: ECS grows fields */
#define FINDING_UNSUPPORTED "UnsupportedField"       /* ECS knows it, berth does not do it yet */
#define FINDING_IGNORED "IgnoredField"               /* a warning: accepted, has no effect here */
#define FINDING_UNKNOWN_REFERENCE "UnknownReference" /* task definition, container, volume */
#define FINDING_CYCLE "DependencyCycle"
#define FINDING_PORT_CONFLICT "PortConflict"
#define FINDING_IMPOSSIBLE "Impossible" /* contradictory or never satisfiable */
#define FINDING_REVISION "RevisionRefused"

struct finding {
    const char *path;
    const char *code;
    const char *message; /* one sentence: what is wrong, with the value, and what is allowed */
    bool warning;
};

struct findings {
    struct arena arena;
    struct finding *list;
    size_t count, capacity;
    size_t errors, warnings, dropped;
};

void findings_release(struct findings *findings);
__attribute__((format(printf, 4, 5))) void findings_error(struct findings *findings,
                                                          const char *path, const char *code,
                                                          const char *format, ...);
__attribute__((format(printf, 4, 5))) void findings_warning(struct findings *findings,
                                                            const char *path, const char *code,
                                                            const char *format, ...);
/* {"valid": bool, "errors": [{"path","code","message"}], "warnings": [...]}, and "dropped": n when
 * there were more than are kept. */
void findings_render(const struct findings *findings, struct json_writer *writer);
/* The first error as "path: message", for status and logs; "" when there is none. */
const char *findings_first_error(const struct findings *findings, char *buffer, size_t size);

#endif
