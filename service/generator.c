/* SPDX-License-Identifier: MIT */
/*
 * Runs at boot and at every daemon-reload, those of other packages' upgrades too: on a
 * machine where the room is going on, perhaps while its configuration is being edited. So a
 * configuration that is wrong must neither close the port nor open it to more than was meant. What
 * can be made out of it holds; where nothing can, the port is this host's alone. The daemon refuses
 * such a configuration anyway: whoever connects waits until it is mended.
 */
#include "service/generator.h"

#include <string.h>
#include <sys/stat.h>

#define DROP_IN "50-chatroom-ini.conf"
#define DEFAULT_CONTROL "/run/chatroom/control.sock" /* chatroom.service has it */
#define LAST_RESORT_LISTEN "127.0.0.1:50051"
#define LAST_RESORT_ALLOW "localhost"

static int open_drop_in(FILE **ret, const char *units, const char *unit, const char *source) {
        _cleanup_(freep) char *directory = NULL, *path = NULL;
        FILE *file;

        if (asprintf(&directory, "%s/%s.d", units, unit) < 0)
                return -ENOMEM;
        if (asprintf(&path, "%s/%s", directory, DROP_IN) < 0)
                return -ENOMEM;
        if (mkdir(directory, 0755) < 0 && errno != EEXIST)
                return -errno;
        file = fopen(path, "we");
        if (!file)
                return -errno;
        fprintf(file, "# Made by chatroom-generator from %s\n", source);
        *ret = file;
        return 0;
}

static int close_drop_in(FILE *file) {
        bool failed = ferror(file);

        return fclose(file) != 0 || failed ? -EIO : 0;
}

/* A bare port is every address: of IPv6 and IPv4 where there is IPv6, else of IPv4. */
static void write_listen(FILE *file, const Address *address) {
        char text[ADDRESS_TEXT_MAX];

        address_format(address, true, text);
        if (strncmp(text, "[::]:", 5) == 0)
                fprintf(file, "ListenStream=%s\n", text + 5);
        else
                fprintf(file, "ListenStream=%s\n", text);
}

static void write_allow(FILE *file, const Network *network) {
        char text[ADDRESS_TEXT_MAX];

        network_format(network, text);
        fprintf(file, "IPAddressAllow=%s\n", text);
}

static void write_chat(FILE *file, const Config *c, ConfigError *error) {
        size_t written = 0;

        fputs("[Socket]\n", file);
        for (size_t i = 0; i < c->n_listen; i++) {
                if (address_port(&c->listen[i]) != 0) {
                        write_listen(file, &c->listen[i]);
                        written++;
                } else if (error->text[0] == '\0') {
                        (void) config_error(error, "listen: port 0 is for a daemon started by "
                                                   "hand: name a port");
                }
        }
        if (written == 0)
                fputs("ListenStream=" LAST_RESORT_LISTEN "\n", file);
        for (size_t i = 0; i < c->n_allow; i++)
                write_allow(file, &c->allow[i]);
        if (c->n_allow == 0)
                fputs("IPAddressAllow=" LAST_RESORT_ALLOW "\n", file);
}

/* A path as systemd reads it: what is special to it is doubled. */
static void write_path(FILE *file, const char *path, size_t n, const char *special) {
        for (size_t i = 0; i < n; i++) {
                if (strchr(special, path[i]))
                        fputc(path[i], file);
                fputc(path[i], file);
        }
}

static void write_control(FILE *file, const Config *c) {
        fputs("[Socket]\nListenStream=", file);
        write_path(file, c->control, strlen(c->control), "%");
        fprintf(file, "\nSocketGroup=%s\n", c->admin_group);
}

/* The service's own reload uses the control socket, and sees the files that the daemon sees. */
static void write_reload(FILE *file, const Config *c) {
        size_t directory = (size_t) (strrchr(c->control, '/') - c->control);

        fputs("[Service]\nExecReload=\nExecReload=+/usr/bin/chatctl --socket=", file);
        write_path(file, c->control, strlen(c->control), "%$\\");
        fputs(" reload\nBindReadOnlyPaths=-", file);
        write_path(file, c->control, directory > 0 ? directory : 1, "%\\");
        fputc('\n', file);
}

static int write_units(const Config *c, const char *units, const char *source, ConfigError *error) {
        FILE *file = NULL;
        int r;

        r = open_drop_in(&file, units, "chatroom.socket", source);
        if (r < 0)
                return r;
        write_chat(file, c, error);
        r = close_drop_in(file);
        if (r < 0)
                return r;
        r = open_drop_in(&file, units, "chatroom-control.socket", source);
        if (r < 0)
                return r;
        write_control(file, c);
        r = close_drop_in(file);
        if (r < 0 || strcmp(c->control, DEFAULT_CONTROL) == 0)
                return r;
        r = open_drop_in(&file, units, "chatroom.service", source);
        if (r < 0)
                return r;
        write_reload(file, c);
        return close_drop_in(file);
}

int generator_run(const char *config_path, const char *units, ConfigError *error) {
        _cleanup_(config_freep) Config *c = NULL;
        int r;

        r = config_skim(&c, config_path, error);
        if (r < 0)
                return r;
        r = write_units(c, units, config_path, error);
        if (r < 0)
                return r;
        return error->text[0] != '\0' ? CONFIG_E_INVALID : 0;
}
