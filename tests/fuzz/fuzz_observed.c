/* Any bytes as an inspect answer: refused with a reason, or a container with nothing missing. */
#include <stdint.h>
#include <string.h>

#include "berth/assert.h"
#include "berth/observed.h"
#include "berth/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_container(const struct observed_container *c)
{
    const char *const texts[] = { c->runtime_id, c->name,           c->image,      c->image_id,
                                  c->error,      c->health_output,  c->address,    c->host,
                                  c->cluster,    c->service,        c->one_off,    c->task_id,
                                  c->definition, c->container_name, c->digest_hex, c->depends_on };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        ASSERT(texts[i]);
        ASSERT(utf8_valid(texts[i], strlen(texts[i])));
    }
    ASSERT(c->runtime_id[0] && c->name[0]);
    ASSERT(strlen(c->health_output) <= 1024);
    ASSERT(c->generation >= -1 && c->slot >= -1 && c->attempt >= -1);
    ASSERT(c->started == (c->started_wall_ms > 0));
    for (size_t i = 0; i < c->port_count; i++)
        ASSERT(c->ports[i].host_port >= 1 && c->ports[i].host_port <= 65535);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct observed *observed = observed_new(true, NULL);
    struct err err = ERR_NONE;
    int rc = observed_add(observed, (const char *)data, size, &err);
    ASSERT((rc == 0) == (observed->count == 1));
    ASSERT((rc == 0) == (err.text[0] == '\0'));
    if (rc == 0)
        check_container(&observed->containers[0]);
    observed_free(observed);
    return 0;
}
