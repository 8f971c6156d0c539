# Completion of barejit for bash.
_barejit() {
    local words=
    if [ "$COMP_CWORD" -eq 1 ]; then
        words='hello ret call chain rpn run repl asm disasm bf probe --help --version'
    else
        case "${COMP_WORDS[1]}:${COMP_WORDS[COMP_CWORD - 1]}" in
        hello:--layout) words='listing words' ;;
        hello:--map) words='inplace none wx rwx dual sealed file' ;;
        hello:--step-from) words='' ;;
        hello:--perf) words='map jitdump' ;;
        hello:--raw) words='' ;;
        hello:*) words='--layout --map --sandbox --verbose --listing --step --step-from --json --trace --perf --gdb --raw --help' ;;
        ret:--map) words='wx rwx dual sealed file' ;;
        ret:--step-from) words='' ;;
        ret:--perf) words='map jitdump' ;;
        ret:--raw) words='' ;;
        ret:*) words='--map --sandbox --verbose --listing --step --step-from --json --trace --perf --gdb --raw --help' ;;
        call:--map) words='wx rwx dual sealed file' ;;
        call:--step-from) words='' ;;
        call:--perf) words='map jitdump' ;;
        call:--raw) words='' ;;
        call:*) words='--as-documented --panic --map --sandbox --verbose --listing --step --step-from --json --trace --perf --gdb --raw --help' ;;
        chain:-e) words='' ;;
        chain:--start) words='' ;;
        chain:--terms) words='' ;;
        chain:--map) words='wx rwx dual sealed file' ;;
        chain:--step-from) words='' ;;
        chain:--perf) words='map jitdump' ;;
        chain:--raw) words='' ;;
        chain:*) words='-e --start --terms --last --ir --as-documented --map --sandbox --verbose --listing --step --step-from --json --trace --perf --gdb --raw --help' ;;
        rpn:-e) words='' ;;
        rpn:--start) words='' ;;
        rpn:--terms) words='' ;;
        rpn:--precision) words='' ;;
        rpn:--map) words='wx rwx dual sealed file' ;;
        rpn:--step-from) words='' ;;
        rpn:--perf) words='map jitdump' ;;
        rpn:--raw) words='' ;;
        rpn:*) words='-e --start --terms --last --ir --precision --map --sandbox --verbose --listing --step --step-from --json --trace --perf --gdb --raw --help' ;;
        run:-a) words='' ;;
        run:--map) words='wx rwx dual sealed file' ;;
        run:--step-from) words='' ;;
        run:--perf) words='map jitdump' ;;
        run:--raw) words='' ;;
        run:*) words='-a --map --sandbox --verbose --listing --step --step-from --json --trace --perf --gdb --raw --help' ;;
        repl:--timeout) words='' ;;
        repl:*) words='--json --timeout --unprotected --help' ;;
        asm:--raw) words='' ;;
        asm:*) words='--hex --c --rust --raw --optimise --help' ;;
        disasm:--at) words='' ;;
        disasm:--section) words='' ;;
        disasm:--symbol) words='' ;;
        disasm:*) words='--at --section --symbol --json --help' ;;
        bf:-e) words='' ;;
        bf:--cells) words='8 16 32' ;;
        bf:--eof) words='unchanged zero minus-one' ;;
        bf:--tape) words='' ;;
        bf:--opt) words='0 1 2' ;;
        bf:--map) words='wx rwx dual sealed file' ;;
        bf:--step-from) words='' ;;
        bf:--perf) words='map jitdump' ;;
        bf:--raw) words='' ;;
        bf:*) words='-e --cells --eof --tape --opt --stats --ir --map --sandbox --verbose --listing --step --step-from --json --trace --perf --gdb --raw --help' ;;
        probe:--engine) words='' ;;
        probe:--strategy) words='' ;;
        probe:--output) words='' ;;
        probe:--pid) words='' ;;
        probe:*) words='--all --engine --json --strategy --list --bench --quiet --summary --first --verbose --slow --output --pid --help' ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _barejit barejit
