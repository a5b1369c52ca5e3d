/* SPDX-License-Identifier: MIT */
/*
 * chat: talks in a chatroom, and reads it. From here on: options.c for the command line, token.c
 * for the token, chat.c for the rest.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "client/chat.h"
#include "client/keyring.h"
#include "client/screen.h"
#include "client/signals.h"

/* A descriptor that we open must not be taken for stdin, stdout or stderr. */
static int open_standard_fds(void) {
        int fd;

        do {
                fd = open("/dev/null", O_RDWR);
                if (fd < 0)
                        return -errno;
        } while (fd <= STDERR_FILENO);
        close(fd);
        return 0;
}

static ExitStatus forget(const Options *options) {
        Complaint complaint;
        int r = keyring_forget(&options->target, &complaint);

        if (r == 0)
                return EXIT_LEFT;
        if (r == KEYRING_E_NONE)
                screen_error("no token is remembered for that");
        else
                screen_error("%s", r < 0 ? strerror(-r) : complaint.text);
        return EXIT_OTHER;
}

/* The exit status that a missing token means. */
static ExitStatus no_token(int r, int signals, const Complaint *complaint) {
        if (r < 0)
                screen_error("%s", strerror(-r));
        else if (r == TOKEN_E_REFUSED)
                screen_error("%s", complaint->text);
        else if (r == TOKEN_E_INTERRUPTED)
                return EXIT_SIGNAL + (ExitStatus) signals_take(signals);
        else {
                screen_error("no token: give --token-file or CHAT_TOKEN_FILE, as there is no "
                             "terminal to ask for it on");
                return EXIT_USAGE;
        }
        return EXIT_OTHER;
}

static ExitStatus run(const Options *options) {
        _cleanup_(token_done) ChatToken token = {0};
        _cleanup_(closep) int signals = -1;
        ExitStatus status = EXIT_OTHER;
        Complaint complaint;
        int r;

        r = signals = signals_block();
        if (r >= 0)
                r = token_get(&token, options, signals, &complaint);
        if (r != 0)
                return no_token(r, signals, &complaint);
        r = chat_run(&status, options, &token, signals);
        if (r < 0) {
                screen_error("%s", strerror(-r));
                return EXIT_OTHER;
        }
        return status;
}

int main(int argc, char **argv) {
        Options options;
        Complaint complaint;
        ExitStatus status;
        int r;

        r = open_standard_fds();
        if (r < 0)
                return EXIT_OTHER;
        (void) signal(SIGPIPE, SIG_IGN);
        r = options_parse(&options, argc, argv, &complaint);
        if (r == OPTIONS_E_HELP || r == OPTIONS_E_VERSION) {
                if (r == OPTIONS_E_HELP)
                        command_help(stdout);
                else
                        puts("chat " CHATROOM_VERSION);
                return fflush(stdout) == 0 ? EXIT_LEFT : EXIT_OTHER;
        }
        if (r != 0) {
                screen_error("%s", r < 0 ? strerror(-r) : complaint.text);
                fputs("Try: chat --help\n", stderr);
                return r < 0 ? EXIT_OTHER : EXIT_USAGE;
        }
        status = options.forget ? forget(&options) : run(&options);
        options_done(&options);
        return (int) status;
}
