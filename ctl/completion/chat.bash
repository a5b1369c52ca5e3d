# bash completion for chat(1)                                           -*- shell-script -*-
# SPDX-License-Identifier: MIT
#
# The options and commands are those that `chat --help` lists.

_chat() {
    local cur=${COMP_WORDS[COMP_CWORD]-} previous=${COMP_WORDS[COMP_CWORD-1]-}
    COMPREPLY=()
    if [[ $previous == = ]]; then
        previous=${COMP_WORDS[COMP_CWORD-2]-}
    elif [[ $cur == = ]]; then
        cur=
    elif [[ $previous == --* ]]; then
        :
    elif [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W \
            "$("${COMP_WORDS[0]}" --help 2>/dev/null | grep -oE '^ .*--[a-z][a-z-]+' |
                grep -oE -- '--[a-z-]+')" -- "$cur")
        return
    fi
    if [[ $previous == --token-file ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    elif [[ $previous != --linger && $previous != --connect-timeout && $previous != --since &&
        $previous != --count && $previous != -n ]]; then
        if declare -F _known_hosts_real >/dev/null; then
            _known_hosts_real -a -- "$cur"
        fi
        if [[ $COMP_CWORD == 1 ]]; then
            mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$(
                "${COMP_WORDS[0]}" --help 2>/dev/null | sed -n 's/^ *chat \([a-z]*\) .*/\1/p')" \
                -- "$cur")
        fi
    fi
}

complete -F _chat chat
