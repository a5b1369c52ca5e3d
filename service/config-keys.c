/* SPDX-License-Identifier: MIT */
/*
 * The table of keys and one parser per kind of value. Defaults are texts in the table and go
 * through the same parsers as the file, so that what the documentation shows as a default is one.
 * A new key is a row here, a field in Config and a line in etc/chatroom/chatroom.ini.
 */
#include "service/config-keys.h"

#include <string.h>
#include <sys/un.h>

static int parse_number(Config *c, const ConfigRow *row, const char *value, ConfigError *error) {
        size_t digits = strspn(value, "0123456789");
        unsigned long long number = strtoull(value, NULL, 10);

        if (value[digits] != '\0' || digits == 0 || number < row->min || number > row->max)
                return config_error(error, "%s = %s: expected a whole number of %s from %u to %u",
                                    row->key.key, config_shown(value).text, row->unit, row->min,
                                    row->max);
        *(unsigned *) ((char *) c + row->offset) = (unsigned) number;
        return 0;
}

static int set_string(Config *c, const ConfigRow *row, const char *value) {
        char **string = (char **) (void *) ((char *) c + row->offset);
        char *copy = strdup(value);

        if (!copy)
                return -ENOMEM;
        free(*string);
        *string = copy;
        return 0;
}

static int parse_path(Config *c, const ConfigRow *row, const char *value, ConfigError *error) {
        const size_t max = sizeof(((struct sockaddr_un *) NULL)->sun_path) - 1;

        if (value[0] != '/' || strpbrk(value, CONFIG_BLANKS) || strlen(value) > max)
                return config_error(error,
                                    "%s = %s: expected an absolute path of at most %zu bytes "
                                    "without blanks, such as %s",
                                    row->key.key, config_shown(value).text, max, row->key.fallback);
        return set_string(c, row, value);
}

static int parse_group(Config *c, const ConfigRow *row, const char *value, ConfigError *error) {
        const char *allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

        if (value[0] == '\0' || value[0] == '-' || value[strspn(value, allowed)] != '\0')
                return config_error(error, "%s = %s: expected the name of a group, such as %s",
                                    row->key.key, config_shown(value).text, row->key.fallback);
        return set_string(c, row, value);
}

/* One of a few words; what is stored is which. */
static int parse_choice(Config *c, const ConfigRow *row, const char *value, ConfigError *error) {
        unsigned i = 0;

        for (const char *word = row->unit; *word; word += strcspn(word, " "), i++) {
                word += *word == ' ';
                if (strlen(value) == strcspn(word, " ") &&
                    strncmp(word, value, strlen(value)) == 0) {
                        *(unsigned *) (void *) ((char *) c + row->offset) = i;
                        return 0;
                }
        }
        return config_error(error, "%s = %s: expected one of: %s", row->key.key,
                            config_shown(value).text, row->unit);
}

static int parse_switch(Config *c, const ConfigRow *row, const char *value, ConfigError *error) {
        bool on = strcmp(value, "yes") == 0;

        if (!on && strcmp(value, "no") != 0)
                return config_error(error, "%s = %s: expected yes or no", row->key.key,
                                    config_shown(value).text);
        *(bool *) ((char *) c + row->offset) = on;
        return 0;
}

/* Calls `add` for each word of a list's value. */
static int parse_words(Config *c, const char *value, ConfigError *error,
                       int (*add)(Config *c, const char *word, ConfigError *error)) {
        _cleanup_(freep) char *words = strdup(value);
        char *position = NULL;
        int r = 0;

        if (!words)
                return -ENOMEM;
        for (char *word = strtok_r(words, CONFIG_BLANKS, &position); word && r == 0;
             word = strtok_r(NULL, CONFIG_BLANKS, &position))
                r = add(c, word, error);
        return r;
}

static bool has_listen(const Config *c, const char *text) {
        char other[ADDRESS_TEXT_MAX];

        for (size_t i = 0; i < c->n_listen; i++) {
                address_format(&c->listen[i], true, other);
                if (strcmp(text, other) == 0)
                        return true;
        }
        return false;
}

int config_add_listen(Config *c, const char *text, ConfigError *error) {
        char canonical[ADDRESS_TEXT_MAX];
        Address address;
        int r = address_parse(&address, text);

        if (r == ADDRESS_E_SYNTAX)
                return config_error(error,
                                    "listen: \"%s\" is not a numeric ADDRESS:PORT, such as "
                                    "127.0.0.1:50051 or [::]:50051",
                                    config_shown(text).text);
        if (r != 0)
                return fold(r);
        address_format(&address, true, canonical);
        if (address_port(&address) != 0 && has_listen(c, canonical))
                return config_error(error, "listen: %s stands there twice", canonical);
        if (c->n_listen == CONFIG_LISTEN_MAX)
                return config_error(error, "listen: more than %d addresses", CONFIG_LISTEN_MAX);
        c->listen[c->n_listen++] = address;
        return 0;
}

static int parse_listen(Config *c, const ConfigRow *row, const char *value, ConfigError *error) {
        return parse_words(c, value, error, config_add_listen);
}

static int add_network(Config *c, const char *text, ConfigError *error) {
        Network network;
        int r = network_parse(&network, text);

        if (r == ADDRESS_E_SYNTAX)
                return config_error(error,
                                    "allow: \"%s\" is not a network such as 100.64.0.0/10 (no bits "
                                    "set behind the prefix), an address, localhost or any",
                                    config_shown(text).text);
        if (r != 0)
                return fold(r);
        if (c->n_allow == CONFIG_ALLOW_MAX)
                return config_error(error, "allow: more than %d networks", CONFIG_ALLOW_MAX);
        c->allow[c->n_allow++] = network;
        return 0;
}

static int add_allow(Config *c, const char *word, ConfigError *error) {
        static const struct {
                const char *word, *ipv4, *ipv6;
        } words[] = {
                {"any", "0.0.0.0/0", "::/0"},
                {"localhost", "127.0.0.0/8", "::1/128"},
        };
        int r;

        for (size_t i = 0; i < ELEMENTS(words); i++) {
                if (strcmp(word, words[i].word) != 0)
                        continue;
                r = add_network(c, words[i].ipv4, error);
                return r != 0 ? r : add_network(c, words[i].ipv6, error);
        }
        return add_network(c, word, error);
}

static int parse_allow(Config *c, const ConfigRow *row, const char *value, ConfigError *error) {
        return parse_words(c, value, error, add_allow);
}

#define NUMBER(section, name, fallback, field, min, max, unit)                                     \
        { {section, name, fallback}, parse_number, offsetof(Config, field), false, min, max, unit }
#define LIMIT(name, fallback, min, max, unit)                                                      \
        NUMBER("limits", #name, fallback, limits.name, min, max, unit)
#define STRING(section, name, fallback, field, parse)                                              \
        { {section, name, fallback}, parse, offsetof(Config, field), false, 0, 0, NULL }
#define SWITCH(section, name, fallback, field)                                                     \
        { {section, name, fallback}, parse_switch, offsetof(Config, field), false, 0, 0, NULL }
#define CHOICE(section, name, fallback, field, words)                                              \
        { {section, name, fallback}, parse_choice, offsetof(Config, field), false, 0, 0, words }
#define LIST(section, name, fallback, counter, parse)                                              \
        { {section, name, fallback}, parse, offsetof(Config, counter), true, 0, 0, NULL }

const ConfigRow config_rows[CONFIG_ROWS] = {
        LIST("server", "listen", "[::]:50051", n_listen, parse_listen),
        LIST("server", "allow", "localhost 100.64.0.0/10 fd7a:115c:a1e0::/48", n_allow,
             parse_allow),
        STRING("server", "control", "/run/chatroom/control.sock", control, parse_path),
        STRING("server", "admin_group", "chatroom-admin", admin_group, parse_group),
        NUMBER("server", "workers", "0", workers, 0, 256, "threads"),
        SWITCH("server", "reflection", "yes", reflection),
        LIMIT(max_connections, "10000", 1, 1000000, "connections"),
        LIMIT(max_connections_per_address, "64", 1, 1000000, "connections"),
        LIMIT(max_sessions_per_user, "10", 1, 10000, "sessions"),
        LIMIT(max_streams_per_connection, "100", 1, 10000, "streams"),
        LIMIT(join_timeout_ms, "10000", 1, 600000, "milliseconds"),
        LIMIT(max_text, "4096", 1, 1048576, "bytes"),
        LIMIT(max_frame, "65536", FRAME_OVERHEAD, 4194304, "bytes"),
        LIMIT(rate_burst, "20", 1, 1000000, "messages"),
        LIMIT(rate_per_second, "5", 1, 1000000, "messages"),
        LIMIT(max_lag_messages, "4096", 1, 1048576, "messages"),
        LIMIT(max_lag_bytes, "8388608", 4096, 1073741824, "bytes"),
        LIMIT(max_lag_age_ms, "30000", 1, 3600000, "milliseconds"),
        LIMIT(auth_failures_per_minute, "10", 1, 1000000, "failures"),
        SWITCH("history", "enabled", "yes", history_enabled),
        NUMBER("history", "replay", "50", history_replay, 0, 1000000, "messages"),
        NUMBER("history", "keep_messages", "1000000", history_keep_messages, 1, 4294967295,
               "messages"),
        NUMBER("history", "keep_days", "365", history_keep_days, 1, 36500, "days"),
        NUMBER("history", "keep_bytes", "1073741824", history_keep_bytes, 4096, 4294967295,
               "bytes"),
        CHOICE("history", "sync", "normal", history_sync, "normal full"),
};

static bool listen_differs(const Config *a, const Config *b) {
        if (a->n_listen != b->n_listen)
                return true;
        for (size_t i = 0; i < a->n_listen; i++)
                if (memcmp(&a->listen[i], &b->listen[i], sizeof(a->listen[i])) != 0)
                        return true;
        return false;
}

static bool allow_differs(const Config *a, const Config *b) {
        return a->n_allow != b->n_allow ||
               memcmp(a->allow, b->allow, a->n_allow * sizeof(a->allow[0])) != 0;
}

/* How a value is stored is its parser's business. */
bool config_row_differs(const ConfigRow *row, const Config *a, const Config *b) {
        const void *one = (const char *) a + row->offset, *other = (const char *) b + row->offset;

        if (row->parse == parse_listen)
                return listen_differs(a, b);
        if (row->parse == parse_allow)
                return allow_differs(a, b);
        if (row->parse == parse_path || row->parse == parse_group)
                return strcmp(*(char *const *) one, *(char *const *) other) != 0;
        if (row->parse == parse_switch)
                return *(const bool *) one != *(const bool *) other;
        return *(const unsigned *) one != *(const unsigned *) other;
}
