# bash completion for chatctl(1)                                        -*- shell-script -*-
# SPDX-License-Identifier: MIT
#
# chatctl itself knows what can stand where. Names come from people in the room: they are quoted
# before they get onto a command line, and never go through anything that would expand them.

_chatctl() {
    local words=("${COMP_WORDS[@]}") cword=$COMP_CWORD line word broken
    # Bash breaks words at @ and =; here these are letters.
    if declare -F _get_comp_words_by_ref >/dev/null; then
        _get_comp_words_by_ref -n '@=' words cword
    fi
    local cur=${words[cword]-}
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ $line == :files ]]; then
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
        fi
        printf -v word %q "${line%%$'\t'*}"
        COMPREPLY+=("$word")
    done < <("${words[0]}" __complete "${words[@]:1:cword}" 2>/dev/null)

    # Only what comes after the break is to be replaced.
    broken=${cur%"${cur##*[@=]}"}
    if [[ $broken && $COMP_WORDBREAKS == *[@=]* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"$broken"}")
    fi
}

complete -F _chatctl chatctl
