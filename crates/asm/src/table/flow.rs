//! Jumps, calls, returns, interrupts (SDM vol. 1, 5.1.7).
//! [`table`](super) tells how to read a line.

lines! {
    "j" "70+cc cb" D [] (r rel8) "bnd r=cc" "" [];
    "j" "0F 80+cc cd" D [] (r rel32) "bnd r=cc" "" [];
    "pause" "F3 90" ZO [] () "" "" [pause];
    "ret" "C2 iw" I [] (r imm16) "bnd rsp:rw [rsp]:r8" "" [ret_i] + [R Bnd bnd_ret_i];
    "ret" "C3" ZO [] () "bnd rsp:rw [rsp]:r8" "" [ret] + [R Bnd bnd_ret, R Rep rep_ret];
    "xabort" "C6 F8 ib" I [] (r imm8) "" "RTM" [xabort_i];
    "xbegin" "C7 F8 cd" D [] (r rel32) "rax:cw" "RTM" [];
    "int3" "CC" ZO [] () "" "" [int3];
    "int" "CD ib" I [] (r imm8) "" "" [int_i];
    "iret" "o16 CF" ZO [] () "w=oszapcdi ss:w rsp:rw [rsp]:r10" "" [iret];
    "iretd" "CF" ZO [] () "w=oszapcdik ss:w rsp:rw [rsp]:r20" "" [iretd];
    "iretq" "o64 CF" ZO [] () "w=oszapcdik ss:w rsp:rw [rsp]:r40" "" [iretq];
    "loopne" "E0 cb" D [] (r rel8) "r=z rcx:rw" "" [];
    "loope" "E1 cb" D [] (r rel8) "r=z rcx:rw" "" [];
    "loop" "E2 cb" D [] (r rel8) "rcx:rw" "" [];
    "jecxz" "a32 E3 cb" D [] (r rel8) "rcx:r" "" [];
    "jrcxz" "E3 cb" D [] (r rel8) "rcx:r" "" [];
    "call" "E8 cd" D [] (r rel32) "bnd rsp:rw [rsp]:w8" "" [];
    "call" "FF /2" M [] (r rm64) "bnd notrack rsp:rw [rsp]:w8" "" [call_r call_m] + [R Bnd bnd_call_r, M Bnd bnd_call_m, R Notrack notrack_call_r, M Notrack notrack_call_m];
    "jmp" "E9 cd" D [] (r rel32) "bnd" "" [];
    "jmp" "EB cb" D [] (r rel8) "" "" [];
    "jmp" "FF /4" M [] (r rm64) "bnd notrack" "" [jmp_r jmp_m] + [R Bnd bnd_jmp_r, M Bnd bnd_jmp_m, R Notrack notrack_jmp_r, M Notrack notrack_jmp_m];
    "int1" "F1" ZO [] () "" "" [int1];
    "xend" "NP 0F 01 D5" ZO [] () "" "RTM" [xend];
    "xtest" "NP 0F 01 D6" ZO [] () "w=z 0=osapc" "HLE_or_RTM" [xtest];
    "syscall" "0F 05" ZO [] () "r=oszapcdik w=oszapcdik rcx:w r11:w" "" [syscall];
    "ud2" "0F 0B" ZO [] () "" "" [ud2];
    "endbr64" "F3 0F 1E FA" ZO [] () "" "CET_IBT" [endbr64];
    "endbr32" "F3 0F 1E FB" ZO [] () "" "CET_IBT" [endbr32];
    "sysenter" "0F 34" ZO [] () "0=i rsp:w" "" [sysenter];
    "ud1" "0F B9 /r" RM [16 32 64] (i r, i rm) "" "" [ud1_rr ud1_rm];
    "ud0" "0F FF /r" RM [16 32 64] (i r, i rm) "" "" [ud0_rr ud0_rm];
}
