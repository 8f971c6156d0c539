# Completion of barejit for bash.
_barejit() {
    local words=
    if [ "$COMP_CWORD" -eq 1 ]; then
        words='hello ret call chain rpn run bf probe --help --version'
    else
        case "${COMP_WORDS[1]}:${COMP_WORDS[COMP_CWORD - 1]}" in
        hello:--layout) words='listing words' ;;
        hello:--map) words='inplace none' ;;
        hello:--map) words='wx rwx dual sealed file' ;;
        hello:--perf) words='map jitdump' ;;
        hello:*) words='--layout --map --map --sandbox --verbose --listing --trace --perf --gdb --raw --help' ;;
        ret:--map) words='wx rwx dual sealed file' ;;
        ret:--perf) words='map jitdump' ;;
        ret:*) words='--map --sandbox --verbose --listing --trace --perf --gdb --raw --help' ;;
        call:--map) words='wx rwx dual sealed file' ;;
        call:--perf) words='map jitdump' ;;
        call:*) words='--as-documented --panic --map --sandbox --verbose --listing --trace --perf --gdb --raw --help' ;;
        chain:--map) words='wx rwx dual sealed file' ;;
        chain:--perf) words='map jitdump' ;;
        chain:*) words='-e --start --terms --last --as-documented --map --sandbox --verbose --listing --trace --perf --gdb --raw --help' ;;
        rpn:--map) words='wx rwx dual sealed file' ;;
        rpn:--perf) words='map jitdump' ;;
        rpn:*) words='-e --start --terms --last --precision --map --sandbox --verbose --listing --trace --perf --gdb --raw --help' ;;
        run:--map) words='wx rwx dual sealed file' ;;
        run:--perf) words='map jitdump' ;;
        run:*) words='--map --sandbox --verbose --listing --trace --perf --gdb --raw --help' ;;
        bf:--map) words='wx rwx dual sealed file' ;;
        bf:--perf) words='map jitdump' ;;
        bf:*) words='-e --cells --eof --tape --opt --stats --map --sandbox --verbose --listing --trace --perf --gdb --raw --help' ;;
        probe:*) words='--json --strategy --list --bench --quiet --summary --help' ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _barejit barejit
