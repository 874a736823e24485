/* model.h: documents in tests: written with ' for ", read, and asked what was found.
 *
 *     struct reading web = read_definition("{'family': 'web', ...}");
 *     expect_error(&web, "t.containerDefinitions[0].cpu", FINDING_RANGE);
 *     reading_release(&web);
 */
#ifndef BERTH_TEST_MODEL_H
#define BERTH_TEST_MODEL_H

#include "berth/desired.h"
#include "berth/findings.h"
#include "berth/task_definition.h"

struct reading {
    struct findings findings;
    struct arena arena;
    bool valid;
    struct task_definition definition; /* by read_definition() */
    struct desired *desired;           /* by read_document() */
};

struct reading read_definition(const char *quoted); /* its path is "t" */
struct reading read_document(const char *quoted);
/* The document of one task definition "web:1" with one container "web" and the given services. */
struct reading read_services(const char *quoted_services);
void reading_release(struct reading *reading);

/* There is such a finding, and an error makes the reading invalid. */
void expect_error(const struct reading *reading, const char *path, const char *code);
void expect_warning(const struct reading *reading, const char *path, const char *code);
/* Its message contains text. */
void expect_message(const struct reading *reading, const char *path, const char *text);
void expect_no_error(const struct reading *reading);
void expect_nothing(const struct reading *reading); /* no warning either */

#endif
