use super::*;

#[test]
fn no_cell_is_a_formula() {
    for (cell, written) in [
        ("=1+1", "'=1+1"),
        ("+49 30 1234", "'+49 30 1234"),
        ("-cmd", "'-cmd"),
        ("-", "'-"),
        ("-1+1", "'-1+1"),
        ("@sum", "'@sum"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("-9.99", "-9.99"),
        ("Ada = Bob", "Ada = Bob"),
        ("", ""),
    ] {
        assert_eq!(harmless(cell), written);
    }
}

#[test]
fn a_file_begins_with_its_mark_and_its_head_and_goes_on_in_parts() {
    let mut table = Table::begin(What::Days);
    let row = |day: &str| -> Vec<String> {
        [day, "1", "0", "9.99", "0.00", "0.00", "9.99", "GBP", "cash"].map(String::from).into()
    };
    table.row(&row("a \"b\", c"));
    let first = table.take();
    table.row(&row("=d"));
    let second = table.take();
    assert!(table.take().is_empty());
    let all = String::from_utf8([first, second].concat()).unwrap();
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!(
        lines,
        [
            "\u{feff}day,tickets_sold,tickets_taken_back,taken,given_back,going_back,left,currency,tender",
            "\"a \"\"b\"\", c\",1,0,9.99,0.00,0.00,9.99,GBP,cash",
            "'=d,1,0,9.99,0.00,0.00,9.99,GBP,cash",
        ]
    );
}

#[test]
fn a_file_has_one_name() {
    for what in What::ALL {
        assert_eq!(What::of_file(what.file()), Some(what));
    }
    assert_eq!(What::of_file("orders"), None);
}
