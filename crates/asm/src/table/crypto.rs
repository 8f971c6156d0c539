//! AES, carry-less multiplication, SHA and Galois fields with XMM registers (SDM vol. 1, 12.13 ff.).
//! [`table`](super) tells how to read a line.

lines! {
    "sha1nexte" "NP 0F 38 C8 /r" RM [] (rw x, r xm128) "" "SHA" [sha1nexte_xx sha1nexte_xm];
    "sha1msg1" "NP 0F 38 C9 /r" RM [] (rw x, r xm128) "" "SHA" [sha1msg1_xx sha1msg1_xm];
    "sha1msg2" "NP 0F 38 CA /r" RM [] (rw x, r xm128) "" "SHA" [sha1msg2_xx sha1msg2_xm];
    "sha256rnds2" "NP 0F 38 CB /r" RM [] (rw x, r xm128) "xmm0:r" "SHA" [sha256rnds2_xx sha256rnds2_xm];
    "sha256msg1" "NP 0F 38 CC /r" RM [] (rw x, r xm128) "" "SHA" [sha256msg1_xx sha256msg1_xm];
    "sha256msg2" "NP 0F 38 CD /r" RM [] (rw x, r xm128) "" "SHA" [sha256msg2_xx sha256msg2_xm];
    "gf2p8mulb" "66 0F 38 CF /r" RM [] (rw x, r xm128) "" "GFNI" [gf2p8mulb_xx gf2p8mulb_xm];
    "aesimc" "66 0F 38 DB /r" RM [] (w x, r xm128) "" "AES" [aesimc_xx aesimc_xm];
    "aesenc" "66 0F 38 DC /r" RM [] (rw x, r xm128) "" "AES" [aesenc_xx aesenc_xm];
    "aesenclast" "66 0F 38 DD /r" RM [] (rw x, r xm128) "" "AES" [aesenclast_xx aesenclast_xm];
    "aesdec" "66 0F 38 DE /r" RM [] (rw x, r xm128) "" "AES" [aesdec_xx aesdec_xm];
    "aesdeclast" "66 0F 38 DF /r" RM [] (rw x, r xm128) "" "AES" [aesdeclast_xx aesdeclast_xm];
    "pclmulqdq" "66 0F 3A 44 /r ib" RMI [] (rw x, r xm128, r imm8) "" "PCLMULQDQ" [pclmulqdq_xxi pclmulqdq_xmi];
    "sha1rnds4" "NP 0F 3A CC /r ib" RMI [] (rw x, r xm128, r imm8) "" "SHA" [sha1rnds4_xxi sha1rnds4_xmi];
    "gf2p8affineqb" "66 0F 3A CE /r ib" RMI [] (rw x, r xm128, r imm8) "" "GFNI" [gf2p8affineqb_xxi gf2p8affineqb_xmi];
    "gf2p8affineinvqb" "66 0F 3A CF /r ib" RMI [] (rw x, r xm128, r imm8) "" "GFNI" [gf2p8affineinvqb_xxi gf2p8affineinvqb_xmi];
    "aeskeygenassist" "66 0F 3A DF /r ib" RMI [] (w x, r xm128, r imm8) "" "AES" [aeskeygenassist_xxi aeskeygenassist_xmi];
}
