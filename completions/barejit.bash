# Completion of barejit for bash.
_barejit() {
    local words=
    if [ "$COMP_CWORD" -eq 1 ]; then
        words='hello ret call run --help --version'
    else
        case "${COMP_WORDS[1]}:${COMP_WORDS[COMP_CWORD - 1]}" in
        hello:--layout) words='listing words' ;;
        hello:--map) words='inplace none' ;;
        hello:--map) words='wx rwx dual sealed file' ;;
        hello:*) words='--layout --map --map --sandbox --verbose --listing --trace --raw --help' ;;
        ret:--map) words='wx rwx dual sealed file' ;;
        ret:*) words='--map --sandbox --verbose --listing --trace --raw --help' ;;
        call:--map) words='wx rwx dual sealed file' ;;
        call:*) words='--as-documented --panic --map --sandbox --verbose --listing --trace --raw --help' ;;
        run:--map) words='wx rwx dual sealed file' ;;
        run:*) words='--map --sandbox --verbose --listing --trace --raw --help' ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _barejit barejit
