//! General-purpose instructions with VEX: BMI1, BMI2, conditional compare and add (SDM vol. 1, 5.1.16).
//! [`table`](super) tells how to read a line.

lines! {
    "andn" "VEX.LZ.0F38 F2 /r" RVM [32 64] (w r, r r, r rm) "w=sz 0=oc u=ap" "BMI1" [andn_rrr andn_rrm];
    "blsr" "VEX.LZ.0F38 F3 /1" VM [32 64] (w r, r rm) "w=szc 0=o u=ap" "BMI1" [blsr_rr blsr_rm];
    "blsmsk" "VEX.LZ.0F38 F3 /2" VM [32 64] (w r, r rm) "w=sc 0=oz u=ap" "BMI1" [blsmsk_rr blsmsk_rm];
    "blsi" "VEX.LZ.0F38 F3 /3" VM [32 64] (w r, r rm) "w=szc 0=o u=ap" "BMI1" [blsi_rr blsi_rm];
    "bzhi" "VEX.LZ.0F38 F5 /r" RMV [32 64] (w r, r rm, r r) "w=szc 0=o u=ap" "BMI2" [bzhi_rrr bzhi_rmr];
    "pext" "VEX.LZ.F3.0F38 F5 /r" RVM [32 64] (w r, cr r, r rm) "" "BMI2" [pext_rrr pext_rrm];
    "pdep" "VEX.LZ.F2.0F38 F5 /r" RVM [32 64] (w r, cr r, r rm) "" "BMI2" [pdep_rrr pdep_rrm];
    "mulx" "VEX.LZ.F2.0F38 F6 /r" RVM [32 64] (w r, w r, r rm) "rdx:r" "BMI2" [mulx mulx_rrm];
    "bextr" "VEX.LZ.0F38 F7 /r" RMV [32 64] (w r, r rm, r r) "w=z 0=oc u=sap" "BMI1" [bextr_rrr bextr_rmr];
    "shlx" "VEX.LZ.66.0F38 F7 /r" RMV [32 64] (w r, r rm, r r) "" "BMI2" [shlx_rr shlx_mr];
    "sarx" "VEX.LZ.F3.0F38 F7 /r" RMV [32 64] (w r, r rm, r r) "" "BMI2" [sarx_rr sarx_mr];
    "shrx" "VEX.LZ.F2.0F38 F7 /r" RMV [32 64] (w r, r rm, r r) "" "BMI2" [shrx_rr shrx_mr];
    "rorx" "VEX.LZ.F2.0F3A F0 /r ib" RMI [32 64] (w r, r rm, r imm8) "" "BMI2" [rorx rorx_rmi];
    "cmpoxadd" "VEX.66.0F38 E0" MRV [32 64] (rw m, rw r, r r) "w=oszapc" "CMPCCXADD" [cmpoxadd_mrr];
    "cmpnoxadd" "VEX.66.0F38 E1" MRV [32 64] (rw m, rw r, r r) "w=oszapc" "CMPCCXADD" [cmpnoxadd_mrr];
    "cmpbxadd" "VEX.66.0F38 E2" MRV [32 64] (rw m, rw r, r r) "w=oszapc" "CMPCCXADD" [cmpbxadd_mrr];
    "cmpaexadd" "VEX.66.0F38 E3" MRV [32 64] (rw m, rw r, r r) "w=oszapc" "CMPCCXADD" [cmpaexadd_mrr];
    "cmpexadd" "VEX.66.0F38 E4" MRV [32 64] (rw m, rw r, r r) "w=oszapc" "CMPCCXADD" [cmpexadd_mrr];
    "cmpnexadd" "VEX.66.0F38 E5" MRV [32 64] (rw m, rw r, r r) "w=oszapc" "CMPCCXADD" [cmpnexadd_mrr];
    "cmpbexadd" "VEX.66.0F38 E6" MRV [32 64] (rw m, rw r, r r) "w=oszapc" "CMPCCXADD" [cmpbexadd_mrr];
    "cmpaxadd" "VEX.66.0F38 E7" MRV [32 64] (rw m, rw r, r r) "w=oszapc" "CMPCCXADD" [cmpaxadd_mrr];
    "cmpsxadd" "VEX.66.0F38 E8" MRV [32 64] (rw m, rw r, r r) "w=oszapc" "CMPCCXADD" [cmpsxadd_mrr];
    "cmpnsxadd" "VEX.66.0F38 E9" MRV [32 64] (rw m, rw r, r r) "w=oszapc" "CMPCCXADD" [cmpnsxadd_mrr];
    "cmppxadd" "VEX.66.0F38 EA" MRV [32 64] (rw m, rw r, r r) "w=oszapc" "CMPCCXADD" [cmppxadd_mrr];
    "cmpnpxadd" "VEX.66.0F38 EB" MRV [32 64] (rw m, rw r, r r) "w=oszapc" "CMPCCXADD" [cmpnpxadd_mrr];
    "cmplxadd" "VEX.66.0F38 EC" MRV [32 64] (rw m, rw r, r r) "w=oszapc" "CMPCCXADD" [cmplxadd_mrr];
    "cmpgexadd" "VEX.66.0F38 ED" MRV [32 64] (rw m, rw r, r r) "w=oszapc" "CMPCCXADD" [cmpgexadd_mrr];
    "cmplexadd" "VEX.66.0F38 EE" MRV [32 64] (rw m, rw r, r r) "w=oszapc" "CMPCCXADD" [cmplexadd_mrr];
    "cmpgxadd" "VEX.66.0F38 EF" MRV [32 64] (rw m, rw r, r r) "w=oszapc" "CMPCCXADD" [cmpgxadd_mrr];
}
