//! The ratios of the table as bars, in SVG. The table is all that it reads.

/// How wide the picture is, and where the bars begin that tell 1.
const WIDTH: f64 = 860.0;
const ONE: f64 = 640.0;
/// How far a factor of ten reaches.
const DECADE: f64 = 90.0;
const LINE: usize = 18;

const STYLE: &str = "\
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.head { font-weight: 600 } .note { fill: #59636e; font-size: 11px }
.page { fill: #ffffff } .axis { stroke: #d1d9e0 } .one { stroke: #59636e }
.fast { fill: #1a7f5a } .slow { fill: #bc4c00 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .note { fill: #9198a1 } .page { fill: #0d1117 }
.axis { stroke: #3d444d } .one { stroke: #9198a1 } .fast { fill: #3fb98a } .slow { fill: #f0883e } }";

fn escaped(text: &str) -> String {
    text.replace('`', "").replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The picture of a page that holds a table: its first line of text is the caption,
/// the cells of a row are group, what, time, peer, time and ratio.
pub(crate) fn chart(page: &str) -> String {
    let table = page.lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    let rows: Vec<Vec<&str>> = table.skip(2).map(|row| row.split('|').map(str::trim).collect()).collect();
    let caption = page.lines().find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();

    let (mut body, mut y, mut group) = (String::new(), 62, "");
    for row in &rows {
        let &[of, what, _, peer, _, ratio] = row.as_slice() else { continue };
        let Ok(value) = ratio.parse::<f64>() else { continue };
        if of != group {
            y += LINE;
            body += &format!("<text class=\"head\" x=\"12\" y=\"{y}\">{}</text>\n", escaped(of));
            y += LINE;
            group = of;
        }
        let length = value.log10() * DECADE;
        let (x, class) = if value > 1.0 { (ONE, "slow") } else { (ONE + length, "fast") };
        let end = if value > 1.0 { ONE + length + 5.0 } else { ONE + 5.0 };
        body += &format!(
            "<text x=\"24\" y=\"{y}\">{} <tspan class=\"note\">/ {}</tspan></text>\n\
             <rect class=\"{class}\" x=\"{x:.1}\" y=\"{}\" width=\"{:.1}\" height=\"11\"/>\n\
             <text x=\"{end:.1}\" y=\"{y}\">{ratio}</text>\n",
            escaped(what),
            escaped(peer),
            y - 10,
            length.abs().max(1.0),
        );
        y += LINE;
    }
    let axis = |(power, name): (i32, &str)| {
        let x = ONE + f64::from(power) * DECADE;
        let class = if power == 0 { "one" } else { "axis" };
        format!(
            "<path class=\"{class}\" d=\"M{x} 70V{y}\"/>\
             <text class=\"note\" x=\"{x}\" y=\"64\" text-anchor=\"middle\">{name}</text>\n"
        )
    };
    let axes: String = [(-2, "1/100"), (-1, "1/10"), (0, "1"), (1, "10")].map(axis).concat();
    let height = y + LINE;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\">\n\
         <title>barejit's time over that of others</title>\n<style>\n{STYLE}\n</style>\n\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\" rx=\"6\"/>\n\
         <text class=\"head\" x=\"12\" y=\"24\">barejit's time over that of others, \
         on a logarithmic scale; shorter is faster</text>\n\
         <text class=\"note\" x=\"12\" y=\"42\">{}</text>\n{axes}{body}</svg>\n",
        escaped(caption),
    )
}
