//! Stack instructions.
//! [`table`](super) tells how to read a line.

lines! {
    "push" "o16 50+r" O [] (r r16) "rsp:rw [rsp]:w2" "" [push_r16];
    "push" "50+r" O [] (r r64) "rsp:rw [rsp]:w8" "" [push_r];
    "push" "68 id" I [] (r imm32) "rsp:rw [rsp]:w8" "" [];
    "push" "6A ib" I [] (r simm8) "rsp:rw [rsp]:w8" "" [];
    "push" "o16 FF /6" M [] (r rm16) "rsp:rw [rsp]:w2" "" [_ push_m16];
    "push" "FF /6" M [] (r rm64) "rsp:rw [rsp]:w8" "" [_ push_m];
    "push" "0F A0" F [] (r FS) "rsp:rw [rsp]:w8" "" [push_fs];
    "push" "0F A8" F [] (r GS) "rsp:rw [rsp]:w8" "" [push_gs];
    "pop" "o16 58+r" O [] (w r16) "rsp:rw [rsp]:r2" "" [pop_r16];
    "pop" "58+r" O [] (w r64) "rsp:rw [rsp]:r8" "" [pop_r];
    "pop" "o16 8F /0" M [] (w rm16) "rsp:rw [rsp]:r2" "" [_ pop_m16];
    "pop" "8F /0" M [] (w rm64) "rsp:rw [rsp]:r8" "" [_ pop_m];
    "pop" "0F A1" F [] (w FS) "rsp:rw [rsp]:r8" "" [pop_fs];
    "pop" "0F A9" F [] (w GS) "rsp:rw [rsp]:r8" "" [pop_gs];
    "pushf" "o16 9C" ZO [] () "r=oszapcdi rsp:rw [rsp]:w2" "" [pushf];
    "pushfq" "9C" ZO [] () "r=oszapcdik rsp:rw [rsp]:w8" "" [pushfq];
    "popf" "o16 9D" ZO [] () "w=oszapcdi rsp:rw [rsp]:r2" "" [popf];
    "popfq" "9D" ZO [] () "w=oszapcdik rsp:rw [rsp]:r8" "" [popfq];
    "enter" "C8 iw ib" II [] (r imm16, r imm8) "rsp:rw rbp:rw [rsp]:w16" "" [enter_ii];
    "leave" "C9" ZO [] () "rsp:w rbp:rw [rbp]:r8" "" [leave];
}
