/* place.h: where in a document something stands, as a chain of keys and indexes on the stack.
 *
 * Costs nothing while a document is valid: the text ("services[0].publish[1].hostPort") is only
 * made when there is a finding. The outermost place is NULL for the document as a whole, which
 * reads ".". */
#ifndef BERTH_MODEL_PLACE_H
#define BERTH_MODEL_PLACE_H

#include <stddef.h>

#include "berth/findings.h"

#define PLACE_TEXT_MAX 512

struct place {
    const struct place *up;
    const char *key; /* NULL: an element of a list */
    size_t index;
};

/* Both live until the end of the enclosing block. */
#define AT_KEY(up_, key_) (&(const struct place){ .up = (up_), .key = (key_) })
#define AT_INDEX(up_, index_) (&(const struct place){ .up = (up_), .index = (index_) })

void place_text(const struct place *place, char ret[PLACE_TEXT_MAX]);
__attribute__((format(printf, 4, 5))) void place_error(struct findings *findings,
                                                       const struct place *place, const char *code,
                                                       const char *format, ...);
__attribute__((format(printf, 4, 5))) void place_warning(struct findings *findings,
                                                         const struct place *place,
                                                         const char *code, const char *format, ...);

#endif
