/* SPDX-License-Identifier: MIT */
/*
 * Every option stands at the beginning of a line of its own: the shells' completion reads it from
 * here.
 */
#include "client/command.h"

#include <string.h>

const Command commands[COMMANDS] = {
        [COMMAND_TALK] =
                {NULL, "chat [OPTIONS] [USER@]HOST[:PORT]",
                 "Joins the chatroom at HOST (port 50051 unless told otherwise) as USER (your own\n"
                 "name unless told otherwise) and prints what is said there: HH:MM <user> text.\n"
                 "Every line that you type is sent. On a terminal it begins with the last\n"
                 "messages. A connection that is lost is made again, nothing is lost or said\n"
                 "twice, and what could not be had any more is told of.\n"},
        [COMMAND_SEND] = {"send", "chat send [OPTIONS] [USER@]HOST[:PORT] [TEXT... | -]",
                          "Sends TEXT; or, with - or when the input is not a terminal, each line\n"
                          "of the input, whatever it begins with. Succeeds when the room has\n"
                          "acknowledged it all.\n"},
        [COMMAND_TAIL] = {"tail", "chat tail [OPTIONS] [USER@]HOST[:PORT]",
                          "Prints the last messages, or those since a message or a time.\n"},
        [COMMAND_WHO] =
                {"who", "chat who [OPTIONS] [USER@]HOST[:PORT]",
                 "Prints who is in the room, a tab, and in how many sessions. The token has\n"
                 "to be bound to a name.\n"},
};

static const char options_help[] =
        "Options:\n"
        "  --token-file FILE  the token is in FILE, which only you may be able to read;\n"
        "                     without this option it is in the file that CHAT_TOKEN_FILE\n"
        "                     names, or was remembered, or chat asks for it\n"
        "  --json             print events as JSON objects, each on a line; see below\n"
        "  -n, --count COUNT  begin with the last COUNT messages (50; talking without a\n"
        "                     terminal: 0)\n"
        "  --since WHEN       tail: print the messages behind the id WHEN, or since the\n"
        "                     time WHEN: 10m, 2h, 7d (ago), 14:30, \"2026-01-31 14:30\"\n"
        "  -f, --follow       tail: go on with what is said from then on\n"
        "  --linger TIME      stay that long after the end of the input before leaving\n"
        "  --no-reconnect     end when the connection is lost\n"
        "  --connect-timeout TIME\n"
        "                     give up connecting after that long (10s)\n"
        "  --forget           forget the token that was remembered for USER at HOST\n"
        "  --insecure-network\n"
        "                     send the token in clear, without asking, to an address that\n"
        "                     is neither on this machine nor on the tailnet\n"
        "  -h, --help         print this\n"
        "  -V, --version      print the version\n"
        "\n"
        "TIME is a number with a unit, ms, s or m: 500ms, 10s, 2m. Without one it is ms.\n"
        "\n"
        "In the room:\n"
        "  /quit              leave (so does the end of the input: Ctrl-D)\n"
        "  /who               print who is there\n"
        "  /help              print these commands\n"
        "  //TEXT             send /TEXT\n"
        "Any other word behind a / is an error and is not sent. Empty lines are not sent.\n"
        "\n"
        "Messages go to standard output, everything else to standard error. What in a\n"
        "message could control a terminal is shown, not obeyed; --json has it exactly.\n"
        "When the output is not a terminal, every message is one line, and a line break\n"
        "in it is shown as \xe2\x90\x8a. When the input is not a terminal, chat leaves after its\n"
        "last line, once the server has acknowledged them all. Messages of another day\n"
        "have the date before the time.\n"
        "\n"
        "JSON objects have a type; times are Unix milliseconds:\n"
        "  welcome   session user room epoch head first resumed: in the room (again);\n"
        "            ids of the newest and the oldest message\n"
        "  message   id time user text\n"
        "  sent      id time client_id text: one's own message is in the room\n"
        "  refused   client_id code reason text: it is not\n"
        "  gap       from to missed: these messages cannot be had any more, and how many\n"
        "            they are; null: nobody knows\n"
        "  presence  reset joined left: lists of names; reset: all others have left\n"
        "  lost      code reason: the connection; it is being made again\n"
        "  member    user sessions (who)\n"
        "\n"
        "Exit status:\n"
        "  0        left in order, and all was sent\n"
        "  1        another error: a line could not be sent, the token not be read\n"
        "  2        wrong usage, or no token and no terminal to ask for it on\n"
        "  3        cannot connect\n"
        "  4        the server ended the session, or the connection was lost for good\n"
        "  5        not admitted: token wrong, revoked or for another name; banned\n"
        "  6        kicked\n"
        "  128 + N  ended by signal N: 130 after Ctrl-C\n";

CommandKind command_find(const char *word) {
        for (size_t i = 0; i < ELEMENTS(commands); i++)
                if (commands[i].word && strcmp(commands[i].word, word) == 0)
                        return (CommandKind) i;
        return COMMAND_TALK;
}

void command_help(FILE *out) {
        for (size_t i = 0; i < ELEMENTS(commands); i++)
                fprintf(out, "%s %s\n", i == 0 ? "Usage:" : "      ", commands[i].synopsis);
        for (size_t i = 0; i < ELEMENTS(commands); i++)
                fprintf(out, "\n%s%s%s", commands[i].word ? commands[i].word : "",
                        commands[i].word ? ": " : "", commands[i].help);
        fprintf(out,
                "\nA host that is called like a command is written with its port or a user.\n"
                "\n%s",
                options_help);
}
