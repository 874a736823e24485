/* Tables by libsmartcols: as wide as needed, cut to a terminal, coloured only on one. */
#include <libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/cli/cli.h"
#include "berth/assert.h"
#include "berth/memory.h"

struct table {
    struct libscols_table *table;
    struct libscols_line *line;
    size_t cell;
};

struct table *table_open(const struct cli *cli, const struct column *columns, size_t count)
{
    struct table *table = memory_alloc(sizeof *table);
    table->table = scols_new_table();
    ASSERT(table->table); /* fails only for want of memory */
    scols_table_enable_colors(table->table, cli->colors);
    for (size_t i = 0; i < count; i++) {
        int flags = columns[i].right ? SCOLS_FL_RIGHT : 0;
        flags |= columns[i].cut ? SCOLS_FL_TRUNC : 0;
        if (!scols_table_new_column(table->table, columns[i].title, 0, flags))
            ASSERT(!"a column could not be added");
    }
    return table;
}

void table_row(struct table *table)
{
    table->line = scols_table_new_line(table->table, NULL);
    ASSERT(table->line);
    table->cell = 0;
}

void table_text(struct table *table, const char *text)
{
    int rc = scols_line_set_data(table->line, table->cell++, text && *text ? text : "-");
    ASSERT(rc == 0);
}

void table_number(struct table *table, int64_t number)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%lld", (long long)number);
    table_text(table, text);
}

void table_color(struct table *table, enum cell_color color)
{
    static const char *const names[] = {
        [CELL_PLAIN] = NULL,
        [CELL_GOOD] = "green",
        [CELL_WARN] = "yellow",
        [CELL_BAD] = "red",
    };
    if (!names[color])
        return;
    struct libscols_cell *cell = scols_line_get_cell(table->line, table->cell - 1);
    (void)scols_cell_set_color(cell, names[color]);
}

void table_print(struct table *table)
{
    (void)scols_print_table(table->table);
    scols_unref_table(table->table);
    free(table);
}
