#include "message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

/* An optional whole number in a line, also as text of digits. */
static bool read_number(json_t *object, const char *key, uint64_t most, uint64_t *value, char *why,
                        size_t size)
{
    const json_t *given = json_object_get(object, key);
    if (!given) {
        return true;
    }
    if (json_is_integer(given) && json_integer_value(given) >= 0 &&
        (uint64_t)json_integer_value(given) <= most) {
        *value = (uint64_t)json_integer_value(given);
        return true;
    }
    const char *text = json_string_value(given);
    if (text && *text && strspn(text, "0123456789") == strlen(text)) {
        errno = 0;
        const uint64_t number = strtoull(text, NULL, 10);
        if (errno == 0 && number <= most) {
            *value = number;
            return true;
        }
    }
    snprintf(why, size, "%s: expected a whole number from 0 to %" PRIu64, key, most);
    return false;
}

/* An optional time in a line, in milliseconds. */
static bool read_deadline(json_t *object, uint64_t *ns, char *why, size_t size)
{
    const json_t *given = json_object_get(object, "_deadline");
    if (given && !command_milliseconds(json_number_value(given), ns)) {
        snprintf(why, size, "_deadline: expected a number of milliseconds above 0");
        return false;
    }
    return true;
}

bool message_of_line(const struct layout_message *layout, const struct line *line, void *bytes,
                     gyre_message *message, char *why, size_t size)
{
    json_t *object = layout_parse(line->text, line->length, why, size);
    if (!object) {
        return false;
    }
    uint64_t priority = 0, key = 0;
    message->correlation = line->number;
    const bool good =
        read_number(object, "_priority", 255, &priority, why, size) &&
        read_number(object, "_key", UINT32_MAX, &key, why, size) &&
        read_number(object, "_correlation", UINT64_MAX, &message->correlation, why, size) &&
        read_deadline(object, &message->deadline_ns, why, size) &&
        layout_encode(layout, object, bytes, why, size);
    json_decref(object);
    message->priority = (uint32_t)priority;
    message->key = (uint32_t)key;
    return good;
}
