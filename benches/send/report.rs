//! How figures are printed.

/// Prints rows below each other, each column as wide as its longest cell; the first row is the heading.
pub fn table<const N: usize>(rows: &[[String; N]]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}")).collect();
        println!("{}", cells.join("  "));
    }
}

/// The least, the middle one and the greatest.
pub fn spread(values: impl IntoIterator<Item = f64>, digits: usize) -> String {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let (Some(least), Some(greatest)) = (values.first(), values.last()) else { return "nothing".to_owned() };
    let median = median(&values);
    format!("min {least:.digits$}, median {median:.digits$}, max {greatest:.digits$}")
}

/// The middle one of sorted values, or the mean of the two in the middle; 0 of none.
pub fn median(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        length if length % 2 == 1 => sorted[half],
        _ => f64::midpoint(sorted[half - 1], sorted[half]),
    }
}
