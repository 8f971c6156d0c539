//! Comparison with documented bytes at compile time: a wrong byte fails the build.

/// Whether both have the same bytes, at compile time.
pub(super) const fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    a.len() == b.len() && i == a.len()
}
