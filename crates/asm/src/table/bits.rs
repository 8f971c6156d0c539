//! Shifts, rotates, bits, and what counts or draws them (SDM vol. 1, 5.1.5 and 5.1.6).
//! [`table`](super) tells how to read a line.

lines! {
    "rol" "C0+w /0 ib" MI [8 16 32 64] (rw rm, r imm8) "w=c u=o" "" [];
    "rol" "D0+w /0" MF [8 16 32 64] (rw rm, r ONE) "w=oc" "" [];
    "rol" "D2+w /0" MF [8 16 32 64] (rw rm, r CL) "w=c u=o" "" [rol_rcl rol_mcl];
    "ror" "C0+w /1 ib" MI [8 16 32 64] (rw rm, r imm8) "w=c u=o" "" [];
    "ror" "D0+w /1" MF [8 16 32 64] (rw rm, r ONE) "w=oc" "" [];
    "ror" "D2+w /1" MF [8 16 32 64] (rw rm, r CL) "w=c u=o" "" [ror_rcl ror_mcl];
    "rcl" "C0+w /2 ib" MI [8 16 32 64] (rw rm, r imm8) "r=c w=c u=o" "" [];
    "rcl" "D0+w /2" MF [8 16 32 64] (rw rm, r ONE) "r=c w=oc" "" [];
    "rcl" "D2+w /2" MF [8 16 32 64] (rw rm, r CL) "r=c w=c u=o" "" [rcl_rcl rcl_mcl];
    "rcr" "C0+w /3 ib" MI [8 16 32 64] (rw rm, r imm8) "r=c w=c u=o" "" [];
    "rcr" "D0+w /3" MF [8 16 32 64] (rw rm, r ONE) "r=c w=oc" "" [];
    "rcr" "D2+w /3" MF [8 16 32 64] (rw rm, r CL) "r=c w=c u=o" "" [rcr_rcl rcr_mcl];
    "shl" "C0+w /4 ib" MI [8 16 32 64] (rw rm, r imm8) "w=szpc u=oa" "" [];
    "shl" "C0+w /6 ib" MI [8 16 32 64] (rw rm, r imm8) "w=szpc u=oa" "" [];
    "shl" "D0+w /4" MF [8 16 32 64] (rw rm, r ONE) "w=oszpc u=a" "" [];
    "shl" "D0+w /6" MF [8 16 32 64] (rw rm, r ONE) "w=oszpc u=a" "" [];
    "shl" "D2+w /4" MF [8 16 32 64] (rw rm, r CL) "w=szpc u=oa" "" [shl_rcl shl_mcl];
    "shl" "D2+w /6" MF [8 16 32 64] (rw rm, r CL) "w=szpc u=oa" "" [];
    "shr" "C0+w /5 ib" MI [8 16 32 64] (rw rm, r imm8) "w=szpc u=oa" "" [];
    "shr" "D0+w /5" MF [8 16 32 64] (rw rm, r ONE) "w=oszpc u=a" "" [];
    "shr" "D2+w /5" MF [8 16 32 64] (rw rm, r CL) "w=szpc u=oa" "" [shr_rcl shr_mcl];
    "sar" "C0+w /7 ib" MI [8 16 32 64] (rw rm, r imm8) "w=szpc u=oa" "" [];
    "sar" "D0+w /7" MF [8 16 32 64] (rw rm, r ONE) "w=oszpc u=a" "" [];
    "sar" "D2+w /7" MF [8 16 32 64] (rw rm, r CL) "w=szpc u=oa" "" [sar_rcl sar_mcl];
    "bt" "0F A3 /r" MR [16 32 64] (r rm, r r) "w=c u=osap" "" [bt_rr bt_mr];
    "bt" "0F BA /4 ib" MI [16 32 64] (r rm, r imm8) "w=c u=osap" "" [bt_ri bt_mi];
    "shld" "0F A4 /r ib" MRI [16 32 64] (rw rm, r r, r imm8) "w=szpc u=oa" "" [shld_rri shld_mri];
    "shld" "0F A5 /r" MRF [16 32 64] (rw rm, r r, r CL) "w=szpc u=oa" "" [shld_rrcl shld_mrcl];
    "bts" "0F AB /r" MR [16 32 64] (rw rm, r r) "lock xacquire xrelease w=c u=osap" "" [bts_rr bts_mr] + [M Lock lock_bts_mr];
    "bts" "0F BA /5 ib" MI [16 32 64] (rw rm, r imm8) "lock xacquire xrelease w=c u=osap" "" [bts_ri bts_mi] + [M Lock lock_bts_mi];
    "shrd" "0F AC /r ib" MRI [16 32 64] (rw rm, r r, r imm8) "w=szpc u=oa" "" [shrd_rri shrd_mri];
    "shrd" "0F AD /r" MRF [16 32 64] (rw rm, r r, r CL) "w=szpc u=oa" "" [shrd_rrcl shrd_mrcl];
    "btr" "0F B3 /r" MR [16 32 64] (rw rm, r r) "lock xacquire xrelease w=c u=osap" "" [btr_rr btr_mr] + [M Lock lock_btr_mr];
    "btr" "0F BA /6 ib" MI [16 32 64] (rw rm, r imm8) "lock xacquire xrelease w=c u=osap" "" [btr_ri btr_mi] + [M Lock lock_btr_mi];
    "popcnt" "F3 0F B8 /r" RM [16 32 64] (w r, r rm) "w=z 0=osapc" "POPCNT" [popcnt_rr popcnt_rm];
    "btc" "0F BA /7 ib" MI [16 32 64] (rw rm, r imm8) "lock xacquire xrelease w=c u=osap" "" [btc_ri btc_mi] + [M Lock lock_btc_mi];
    "btc" "0F BB /r" MR [16 32 64] (rw rm, r r) "lock xacquire xrelease w=c u=osap" "" [btc_rr btc_mr] + [M Lock lock_btc_mr];
    "bsf" "0F BC /r" RM [16 32 64] (cw r, r rm) "w=z u=osapc" "" [bsf_rr bsf_rm];
    "tzcnt" "F3 0F BC /r" RM [16 32 64] (w r, r rm) "w=zc u=osap" "BMI1" [tzcnt_rr tzcnt_rm];
    "bsr" "0F BD /r" RM [16 32 64] (cw r, r rm) "w=z u=osapc" "" [bsr_rr bsr_rm];
    "lzcnt" "F3 0F BD /r" RM [16 32 64] (w r, r rm) "w=zc u=osap" "LZCNT" [lzcnt_rr lzcnt_rm];
    "rdrand" "NFx 0F C7 /6" M [16 32 64] (w r) "w=c 0=oszap" "RDRAND" [rdrand_r];
    "rdseed" "NFx 0F C7 /7" M [16 32 64] (w r) "w=c 0=oszap" "RDSEED" [rdseed_r];
    "rdpid" "F3 0F C7 /7" M [] (w r64) "" "RDPID" [rdpid_r];
    "crc32" "F2 0F 38 F0+w /r" RM [8 16] (rw r32, r rm) "" "SSE4_2" [crc32_r32_r crc32_r32_m];
    "crc32" "o64 F2 0F 38 F0 /r" RM [] (rw r64, r rm8) "" "SSE4_2" [crc32_r64_r8 crc32_r64_m8];
    "crc32" "F2 0F 38 F1 /r" RM [32 64] (rw r, r rm) "" "SSE4_2" [crc32_r_r crc32_r_m];
    "adcx" "66 0F 38 F6 /r" RM [32 64] (rw r, r rm) "r=c w=c" "ADX" [adcx_rr adcx_rm];
    "adox" "F3 0F 38 F6 /r" RM [32 64] (rw r, r rm) "r=o w=o" "ADX" [adox_rr adox_rm];
}
