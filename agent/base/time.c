/* time.c: RFC 3339 <-> milliseconds, in the proleptic Gregorian calendar and UTC.
 *
 * By arithmetic: the C library's calendar functions depend on TZ and on static memory. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "berth/json.h"

#define DAY_S (INT64_C(24) * 60 * 60)
#define WALL_MS_MAX INT64_C(253402300799999) /* the end of year 9999 */

/* Days since 1970-01-01. Years are counted from March, so that a leap day comes last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t shifted = month <= 2 ? year - 1 : year; /* never negative: years start at 1 */
    int64_t era = shifted / 400;
    int64_t year_of_era = shifted - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static void date_of(int64_t days, int *year, int *month, int *day)
{
    int64_t shifted = days + 719468;
    int64_t era = shifted / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;

    *day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    *month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    *year = (int)(year_of_era + era * 400 + (*month <= 2 ? 1 : 0));
}

/* Exactly `width` digits at *text, which moves on; -1 when there are fewer or the value is not in
 * min..max. */
static int64_t take_digits(const char **text, int width, int64_t min, int64_t max)
{
    int64_t value = 0;
    for (int i = 0; i < width; i++) {
        char c = (*text)[i];
        if (c < '0' || c > '9')
            return -1;
        value = value * 10 + (c - '0');
    }
    *text += width;
    return value >= min && value <= max ? value : -1;
}

static bool take_char(const char **text, const char *allowed)
{
    if (**text == '\0' || !strchr(allowed, **text))
        return false;
    (*text)++;
    return true;
}

/* ".123456789" as milliseconds; none is 0. Docker drops trailing zeros, so any width occurs. */
static int64_t take_fraction_ms(const char **text)
{
    if (!take_char(text, "."))
        return 0;
    int64_t ms = 0, unit = 100;
    size_t width = strspn(*text, "0123456789");
    for (size_t i = 0; i < width; i++, unit /= 10)
        ms += unit * ((*text)[i] - '0');
    *text += width;
    return width > 0 ? ms : -1;
}

static bool take_offset_s(const char **text, int64_t *ret)
{
    *ret = 0;
    if (take_char(text, "Zz"))
        return true;
    int64_t sign = **text == '-' ? -1 : 1;
    if (!take_char(text, "+-"))
        return false;
    int64_t hours = take_digits(text, 2, 0, 23);
    if (hours < 0 || !take_char(text, ":"))
        return false;
    int64_t minutes = take_digits(text, 2, 0, 59);
    *ret = sign * (hours * 60 + minutes) * 60;
    return minutes >= 0;
}

struct clock_time {
    int64_t year, month, day, hour, minute, second;
};

static bool take_clock_time(const char **text, struct clock_time *ret)
{
    const struct {
        int64_t *field;
        int width;
        int64_t min, max;
        const char *after;
    } parts[] = {
        { &ret->year, 4, 1, 9999, "-" }, { &ret->month, 2, 1, 12, "-" },
        { &ret->day, 2, 1, 31, "Tt " },  { &ret->hour, 2, 0, 23, ":" },
        { &ret->minute, 2, 0, 59, ":" }, { &ret->second, 2, 0, 60, NULL }, /* 60: leap second */
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        *parts[i].field = take_digits(text, parts[i].width, parts[i].min, parts[i].max);
        if (*parts[i].field < 0 || (parts[i].after && !take_char(text, parts[i].after)))
            return false;
    }
    return true;
}

int64_t time_parse_wall_ms(const char *text)
{
    struct clock_time at;
    int64_t offset_s = 0;
    if (!text || !take_clock_time(&text, &at))
        return 0;
    int64_t ms = take_fraction_ms(&text);
    if (ms < 0 || !take_offset_s(&text, &offset_s) || *text != '\0')
        return 0;

    int64_t days = days_of(at.year, at.month, at.day);
    int year = 0, month = 0, day = 0;
    date_of(days, &year, &month, &day);
    if (day != at.day) /* February 30 */
        return 0;
    int64_t seconds = days * DAY_S + at.hour * 3600 + at.minute * 60 + at.second - offset_s;
    int64_t wall_ms = seconds * 1000 + ms;
    return wall_ms > 0 ? wall_ms : 0;
}

void time_format_wall(int64_t wall_ms, char ret[32])
{
    if (wall_ms < 0)
        wall_ms = 0;
    if (wall_ms > WALL_MS_MAX)
        wall_ms = WALL_MS_MAX;

    int year = 0, month = 0, day = 0;
    date_of(wall_ms / 1000 / DAY_S, &year, &month, &day);
    unsigned second = (unsigned)(wall_ms / 1000 % DAY_S);
    /* The remainders change nothing; they let the compiler see that 32 bytes are enough. */
    (void)snprintf(ret, 32, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)year % 10000,
                   (unsigned)month % 100, (unsigned)day % 100, second / 3600 % 24, second / 60 % 60,
                   second % 60, (unsigned)(wall_ms % 1000) % 1000);
}
