//! String instructions, and input and output (SDM vol. 1, 5.1.8 and 5.1.9).
//! [`table`](super) tells how to read a line.

lines! {
    "insb" "6C" FF [] (w DI8, r DX) "rep r=d rdi:rw" "" [insb_dx] + [R Rep rep_insb_dx];
    "insw" "o16 6D" FF [] (w DI16, r DX) "rep r=d rdi:rw" "" [insw_dx] + [R Rep rep_insw_dx];
    "insd" "6D" FF [] (w DI32, r DX) "rep r=d rdi:rw" "" [insd_dx] + [R Rep rep_insd_dx];
    "outsb" "6E" FF [] (r DX, r SI8) "rep r=d rsi:rw" "" [outsb_dx] + [R Rep rep_outsb_dx];
    "outsw" "o16 6F" FF [] (r DX, r SI16) "rep r=d rsi:rw" "" [outsw_dx] + [R Rep rep_outsw_dx];
    "outsd" "6F" FF [] (r DX, r SI32) "rep r=d rsi:rw" "" [outsd_dx] + [R Rep rep_outsd_dx];
    "movsb" "A4" FF [] (w DI8, r SI8) "rep r=d rdi:rw rsi:rw" "" [movsb] + [R Rep rep_movsb];
    "movsw" "o16 A5" FF [] (w DI16, r SI16) "rep r=d rdi:rw rsi:rw" "" [movsw] + [R Rep rep_movsw];
    "movsd" "A5" FF [] (w DI32, r SI32) "rep r=d rdi:rw rsi:rw" "" [movsd] + [R Rep rep_movsd];
    "movsq" "o64 A5" FF [] (w DI64, r SI64) "rep r=d rdi:rw rsi:rw" "" [movsq] + [R Rep rep_movsq];
    "cmpsb" "A6" FF [] (r SI8, r DI8) "rep repne r=d w=oszapc rsi:rw rdi:rw" "" [cmpsb] + [R Repe repe_cmpsb, R Repne repne_cmpsb];
    "cmpsw" "o16 A7" FF [] (r SI16, r DI16) "rep repne r=d w=oszapc rsi:rw rdi:rw" "" [cmpsw] + [R Repe repe_cmpsw, R Repne repne_cmpsw];
    "cmpsd" "A7" FF [] (r SI32, r DI32) "rep repne r=d w=oszapc rsi:rw rdi:rw" "" [cmpsd] + [R Repe repe_cmpsd, R Repne repne_cmpsd];
    "cmpsq" "o64 A7" FF [] (r SI64, r DI64) "rep repne r=d w=oszapc rsi:rw rdi:rw" "" [cmpsq] + [R Repe repe_cmpsq, R Repne repne_cmpsq];
    "stosb" "AA" F [] (w DI8) "rep r=d rax:r rdi:rw" "" [stosb] + [R Rep rep_stosb];
    "stosw" "o16 AB" F [] (w DI16) "rep r=d rax:r rdi:rw" "" [stosw] + [R Rep rep_stosw];
    "stosd" "AB" F [] (w DI32) "rep r=d rax:r rdi:rw" "" [stosd] + [R Rep rep_stosd];
    "stosq" "o64 AB" F [] (w DI64) "rep r=d rax:r rdi:rw" "" [stosq] + [R Rep rep_stosq];
    "lodsb" "AC" F [] (r SI8) "rep r=d rax:w rsi:rw" "" [lodsb] + [R Rep rep_lodsb];
    "lodsw" "o16 AD" F [] (r SI16) "rep r=d rax:w rsi:rw" "" [lodsw] + [R Rep rep_lodsw];
    "lodsd" "AD" F [] (r SI32) "rep r=d rax:w rsi:rw" "" [lodsd] + [R Rep rep_lodsd];
    "lodsq" "o64 AD" F [] (r SI64) "rep r=d rax:w rsi:rw" "" [lodsq] + [R Rep rep_lodsq];
    "scasb" "AE" F [] (r DI8) "rep repne r=d w=oszapc rax:r rdi:rw" "" [scasb] + [R Repe repe_scasb, R Repne repne_scasb];
    "scasw" "o16 AF" F [] (r DI16) "rep repne r=d w=oszapc rax:r rdi:rw" "" [scasw] + [R Repe repe_scasw, R Repne repne_scasw];
    "scasd" "AF" F [] (r DI32) "rep repne r=d w=oszapc rax:r rdi:rw" "" [scasd] + [R Repe repe_scasd, R Repne repne_scasd];
    "scasq" "o64 AF" F [] (r DI64) "rep repne r=d w=oszapc rax:r rdi:rw" "" [scasq] + [R Repe repe_scasq, R Repne repne_scasq];
    "in" "E4+w ib" FI [8 16 32] (w A, r imm8) "" "" [in_ai];
    "in" "EC+w" FF [8 16 32] (w A, r DX) "" "" [in_adx];
    "out" "E6+w ib" IF [8 16 32] (r imm8, r A) "" "" [out_ia];
    "out" "EE+w" FF [8 16 32] (r DX, r A) "" "" [out_dxa];
}
