//! Shortcuts: one method that takes the shortest of several forms, by its operands.
//!
//! These lines are no rows of the table, since each stands for several that are. Their
//! kinds of immediates name the rule: `alu` a byte that is sign-extended, the form of
//! the accumulator, or the full width; `tst` the same without the byte, `mul` without
//! the accumulator; `any` the whole width in the opcode's register or 32 bits that are
//! sign-extended; `pushed` a byte or 32 bits; `count` a form of its own for 1.

lines! {
    #![folded]
    @methods
    "add" "80+w /0" MI [8 16 32 64] (rm alu) [add_ri add_mi] + [M Lock lock_add_mi];
    "or" "80+w /1" MI [8 16 32 64] (rm alu) [or_ri or_mi] + [M Lock lock_or_mi];
    "adc" "80+w /2" MI [8 16 32 64] (rm alu) [adc_ri adc_mi] + [M Lock lock_adc_mi];
    "sbb" "80+w /3" MI [8 16 32 64] (rm alu) [sbb_ri sbb_mi] + [M Lock lock_sbb_mi];
    "and" "80+w /4" MI [8 16 32 64] (rm alu) [and_ri and_mi] + [M Lock lock_and_mi];
    "sub" "80+w /5" MI [8 16 32 64] (rm alu) [sub_ri sub_mi] + [M Lock lock_sub_mi];
    "xor" "80+w /6" MI [8 16 32 64] (rm alu) [xor_ri xor_mi] + [M Lock lock_xor_mi];
    "cmp" "80+w /7" MI [8 16 32 64] (rm alu) [cmp_ri cmp_mi];
    "test" "F6+w /0" MI [8 16 32 64] (rm tst) [test_ri test_mi];
    "imul" "69 /r" RMI [16 32 64] (r rm mul) [imul_rri imul_rmi];
    "mov" "C6+w /0" MI [8 16 32 64] (r any) [mov_ri];
    "mov" "o64 C7 /0" MI [] (r64 imm32) [mov_r64_imm32];
    "push" "68" I [] (pushed) [push_i];
    "rol" "C0+w /0" MI [8 16 32 64] (rm count) [rol_ri rol_mi];
    "ror" "C0+w /1" MI [8 16 32 64] (rm count) [ror_ri ror_mi];
    "rcl" "C0+w /2" MI [8 16 32 64] (rm count) [rcl_ri rcl_mi];
    "rcr" "C0+w /3" MI [8 16 32 64] (rm count) [rcr_ri rcr_mi];
    "shl" "C0+w /4" MI [8 16 32 64] (rm count) [shl_ri shl_mi];
    "shr" "C0+w /5" MI [8 16 32 64] (rm count) [shr_ri shr_mi];
    "sar" "C0+w /7" MI [8 16 32 64] (rm count) [sar_ri sar_mi];
}
