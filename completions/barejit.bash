# Completion of barejit for bash.
_barejit() {
    local words=
    if [ "$COMP_CWORD" -eq 1 ]; then
        words='hello ret call run --help --version'
    else
        case "${COMP_WORDS[1]}:${COMP_WORDS[COMP_CWORD - 1]}" in
        hello:--layout) words='listing words' ;;
        hello:--map) words='wx rwx inplace none' ;;
        hello:*) words='--layout --map --help' ;;
        ret:*) words='--help' ;;
        call:*) words='--as-documented --panic --help' ;;
        run:*) words='--help' ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _barejit barejit
