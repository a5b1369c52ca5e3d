# bash completion for chatctl(1)                                        -*- shell-script -*-
# SPDX-License-Identifier: MIT
#
# chatctl itself knows what can stand where. Names come from people in the room: they are quoted
# before they get onto a command line, and never go through anything that would expand them.

_chatctl() {
    local words=() rest=$COMP_LINE gap line word i
    # Bash may hand a session's name, @17, over in two pieces; it replaces it as a whole.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        gap=${rest%%[![:space:]]*}
        rest=${rest#"$gap"}
        rest=${rest#"${COMP_WORDS[i]}"}
        if [[ ! $gap && ${COMP_WORDS[i - (i > 0)]} == @ ]]; then
            words[-1]+=${COMP_WORDS[i]}
        else
            words+=("${COMP_WORDS[i]}")
        fi
    done

    COMPREPLY=()
    while IFS= read -r line; do
        if [[ $line == :files ]]; then
            word=${words[-1]}
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "${word#=}")
            return
        fi
        printf -v word %q "${line%%$'\t'*}"
        COMPREPLY+=("$word")
    done < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
}

complete -F _chatctl chatctl
