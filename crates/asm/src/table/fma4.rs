//! Fused multiply-add of four operands (AMD, vol. 6).
//! [`table`](super) tells how to read a line.

lines! {
    "vfmaddsubps" "VEX.66.0F3A.W0 5C /r /is4" RVMS [128 256] (w v, r v, r vm, r v) "" "FMA4" [vfmaddsubps_xxxx vfmaddsubps_xxmx vfmaddsubps_yyyy vfmaddsubps_yymy];
    "vfmaddsubps" "VEX.66.0F3A.W1 5C /r /is4" RVSM [128 256] (w v, r v, r v, r vm) "" "FMA4" [_ vfmaddsubps_xxxm _ vfmaddsubps_yyym];
    "vfmaddsubpd" "VEX.66.0F3A.W0 5D /r /is4" RVMS [128 256] (w v, r v, r vm, r v) "" "FMA4" [vfmaddsubpd_xxxx vfmaddsubpd_xxmx vfmaddsubpd_yyyy vfmaddsubpd_yymy];
    "vfmaddsubpd" "VEX.66.0F3A.W1 5D /r /is4" RVSM [128 256] (w v, r v, r v, r vm) "" "FMA4" [_ vfmaddsubpd_xxxm _ vfmaddsubpd_yyym];
    "vfmsubaddps" "VEX.66.0F3A.W0 5E /r /is4" RVMS [128 256] (w v, r v, r vm, r v) "" "FMA4" [vfmsubaddps_xxxx vfmsubaddps_xxmx vfmsubaddps_yyyy vfmsubaddps_yymy];
    "vfmsubaddps" "VEX.66.0F3A.W1 5E /r /is4" RVSM [128 256] (w v, r v, r v, r vm) "" "FMA4" [_ vfmsubaddps_xxxm _ vfmsubaddps_yyym];
    "vfmsubaddpd" "VEX.66.0F3A.W0 5F /r /is4" RVMS [128 256] (w v, r v, r vm, r v) "" "FMA4" [vfmsubaddpd_xxxx vfmsubaddpd_xxmx vfmsubaddpd_yyyy vfmsubaddpd_yymy];
    "vfmsubaddpd" "VEX.66.0F3A.W1 5F /r /is4" RVSM [128 256] (w v, r v, r v, r vm) "" "FMA4" [_ vfmsubaddpd_xxxm _ vfmsubaddpd_yyym];
    "vfmaddps" "VEX.66.0F3A.W0 68 /r /is4" RVMS [128 256] (w v, r v, r vm, r v) "" "FMA4" [vfmaddps_xxxx vfmaddps_xxmx vfmaddps_yyyy vfmaddps_yymy];
    "vfmaddps" "VEX.66.0F3A.W1 68 /r /is4" RVSM [128 256] (w v, r v, r v, r vm) "" "FMA4" [_ vfmaddps_xxxm _ vfmaddps_yyym];
    "vfmaddpd" "VEX.66.0F3A.W0 69 /r /is4" RVMS [128 256] (w v, r v, r vm, r v) "" "FMA4" [vfmaddpd_xxxx vfmaddpd_xxmx vfmaddpd_yyyy vfmaddpd_yymy];
    "vfmaddpd" "VEX.66.0F3A.W1 69 /r /is4" RVSM [128 256] (w v, r v, r v, r vm) "" "FMA4" [_ vfmaddpd_xxxm _ vfmaddpd_yyym];
    "vfmaddss" "VEX.LIG.66.0F3A.W0 6A /r /is4" RVMS [] (w x, r x, r xm32, r x) "" "FMA4" [vfmaddss_xxxx vfmaddss_xxmx];
    "vfmaddss" "VEX.LIG.66.0F3A.W1 6A /r /is4" RVSM [] (w x, r x, r x, r xm32) "" "FMA4" [_ vfmaddss_xxxm];
    "vfmaddsd" "VEX.LIG.66.0F3A.W0 6B /r /is4" RVMS [] (w x, r x, r xm64, r x) "" "FMA4" [vfmaddsd_xxxx vfmaddsd_xxmx];
    "vfmaddsd" "VEX.LIG.66.0F3A.W1 6B /r /is4" RVSM [] (w x, r x, r x, r xm64) "" "FMA4" [_ vfmaddsd_xxxm];
    "vfmsubps" "VEX.66.0F3A.W0 6C /r /is4" RVMS [128 256] (w v, r v, r vm, r v) "" "FMA4" [vfmsubps_xxxx vfmsubps_xxmx vfmsubps_yyyy vfmsubps_yymy];
    "vfmsubps" "VEX.66.0F3A.W1 6C /r /is4" RVSM [128 256] (w v, r v, r v, r vm) "" "FMA4" [_ vfmsubps_xxxm _ vfmsubps_yyym];
    "vfmsubpd" "VEX.66.0F3A.W0 6D /r /is4" RVMS [128 256] (w v, r v, r vm, r v) "" "FMA4" [vfmsubpd_xxxx vfmsubpd_xxmx vfmsubpd_yyyy vfmsubpd_yymy];
    "vfmsubpd" "VEX.66.0F3A.W1 6D /r /is4" RVSM [128 256] (w v, r v, r v, r vm) "" "FMA4" [_ vfmsubpd_xxxm _ vfmsubpd_yyym];
    "vfmsubss" "VEX.LIG.66.0F3A.W0 6E /r /is4" RVMS [] (w x, r x, r xm32, r x) "" "FMA4" [vfmsubss_xxxx vfmsubss_xxmx];
    "vfmsubss" "VEX.LIG.66.0F3A.W1 6E /r /is4" RVSM [] (w x, r x, r x, r xm32) "" "FMA4" [_ vfmsubss_xxxm];
    "vfmsubsd" "VEX.LIG.66.0F3A.W0 6F /r /is4" RVMS [] (w x, r x, r xm64, r x) "" "FMA4" [vfmsubsd_xxxx vfmsubsd_xxmx];
    "vfmsubsd" "VEX.LIG.66.0F3A.W1 6F /r /is4" RVSM [] (w x, r x, r x, r xm64) "" "FMA4" [_ vfmsubsd_xxxm];
    "vfnmaddps" "VEX.66.0F3A.W0 78 /r /is4" RVMS [128 256] (w v, r v, r vm, r v) "" "FMA4" [vfnmaddps_xxxx vfnmaddps_xxmx vfnmaddps_yyyy vfnmaddps_yymy];
    "vfnmaddps" "VEX.66.0F3A.W1 78 /r /is4" RVSM [128 256] (w v, r v, r v, r vm) "" "FMA4" [_ vfnmaddps_xxxm _ vfnmaddps_yyym];
    "vfnmaddpd" "VEX.66.0F3A.W0 79 /r /is4" RVMS [128 256] (w v, r v, r vm, r v) "" "FMA4" [vfnmaddpd_xxxx vfnmaddpd_xxmx vfnmaddpd_yyyy vfnmaddpd_yymy];
    "vfnmaddpd" "VEX.66.0F3A.W1 79 /r /is4" RVSM [128 256] (w v, r v, r v, r vm) "" "FMA4" [_ vfnmaddpd_xxxm _ vfnmaddpd_yyym];
    "vfnmaddss" "VEX.LIG.66.0F3A.W0 7A /r /is4" RVMS [] (w x, r x, r xm32, r x) "" "FMA4" [vfnmaddss_xxxx vfnmaddss_xxmx];
    "vfnmaddss" "VEX.LIG.66.0F3A.W1 7A /r /is4" RVSM [] (w x, r x, r x, r xm32) "" "FMA4" [_ vfnmaddss_xxxm];
    "vfnmaddsd" "VEX.LIG.66.0F3A.W0 7B /r /is4" RVMS [] (w x, r x, r xm64, r x) "" "FMA4" [vfnmaddsd_xxxx vfnmaddsd_xxmx];
    "vfnmaddsd" "VEX.LIG.66.0F3A.W1 7B /r /is4" RVSM [] (w x, r x, r x, r xm64) "" "FMA4" [_ vfnmaddsd_xxxm];
    "vfnmsubps" "VEX.66.0F3A.W0 7C /r /is4" RVMS [128 256] (w v, r v, r vm, r v) "" "FMA4" [vfnmsubps_xxxx vfnmsubps_xxmx vfnmsubps_yyyy vfnmsubps_yymy];
    "vfnmsubps" "VEX.66.0F3A.W1 7C /r /is4" RVSM [128 256] (w v, r v, r v, r vm) "" "FMA4" [_ vfnmsubps_xxxm _ vfnmsubps_yyym];
    "vfnmsubpd" "VEX.66.0F3A.W0 7D /r /is4" RVMS [128 256] (w v, r v, r vm, r v) "" "FMA4" [vfnmsubpd_xxxx vfnmsubpd_xxmx vfnmsubpd_yyyy vfnmsubpd_yymy];
    "vfnmsubpd" "VEX.66.0F3A.W1 7D /r /is4" RVSM [128 256] (w v, r v, r v, r vm) "" "FMA4" [_ vfnmsubpd_xxxm _ vfnmsubpd_yyym];
    "vfnmsubss" "VEX.LIG.66.0F3A.W0 7E /r /is4" RVMS [] (w x, r x, r xm32, r x) "" "FMA4" [vfnmsubss_xxxx vfnmsubss_xxmx];
    "vfnmsubss" "VEX.LIG.66.0F3A.W1 7E /r /is4" RVSM [] (w x, r x, r x, r xm32) "" "FMA4" [_ vfnmsubss_xxxm];
    "vfnmsubsd" "VEX.LIG.66.0F3A.W0 7F /r /is4" RVMS [] (w x, r x, r xm64, r x) "" "FMA4" [vfnmsubsd_xxxx vfnmsubsd_xxmx];
    "vfnmsubsd" "VEX.LIG.66.0F3A.W1 7F /r /is4" RVSM [] (w x, r x, r x, r xm64) "" "FMA4" [_ vfnmsubsd_xxxm];
}
