//! How figures are printed.

/// Prints rows below a heading, each column as wide as its longest cell.
pub fn print_table(heading: &[impl AsRef<str>], rows: &[impl AsRef<[String]>]) {
    let heading: Vec<String> = heading.iter().map(|cell| cell.as_ref().to_owned()).collect();
    let rows: Vec<&[String]> = std::iter::once(&heading[..]).chain(rows.iter().map(AsRef::as_ref)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    for row in &rows {
        let cells =
            row.iter().enumerate().map(|(column, cell)| format!("{cell:>width$}", width = width(column)));
        println!("{}", cells.collect::<Vec<_>>().join("  "));
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
