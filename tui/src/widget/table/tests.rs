use super::*;

#[derive(Debug, Clone, PartialEq)]
struct Item(u32, &'static str);

type Col = Column<Item>;

impl Row for Item {
    type Id = u32;
    const COLUMNS: &'static [Column<Self>] = &[
        Col::whole("No", 4, |r| r.0.into()),
        Col::text("Name", 9, |r| r.1.to_string()).grow(1).drop(1),
    ];
    fn id(&self) -> u32 {
        self.0
    }
}

fn table(rest: Rest) -> Table<Item> {
    let mut table = Table::new(100, 0, true, rest);
    table.snapshot(
        vec![Item(1, "pear"), Item(2, "Apple"), Item(3, "fig")],
        true,
    );
    table.refresh(0, |_| true);
    table
}

fn ids(table: &mut Table<Item>) -> Vec<u32> {
    table.refresh(0, |_| true);
    table.shown().map(|row| row.0).collect()
}

#[test]
fn order_and_filter() {
    let mut table = table(Rest::First);
    assert_eq!(ids(&mut table), [3, 2, 1]);
    assert!(table.sort_title("na"));
    table.reverse();
    assert_eq!(ids(&mut table), [2, 3, 1]);
    table.set_filter("!fig");
    assert_eq!(ids(&mut table), [2, 1]);
    table.sort_by(1);
    assert_eq!(table.order().0, 0, "after the last column comes the first");
    assert!(!table.sort_title("zzz"));
}

#[test]
fn the_cursor_stays_on_its_row_or_at_rest() {
    let mut table = table(Rest::First);
    table.put(Item(9, "new"));
    assert_eq!(ids(&mut table)[0], 9);
    assert_eq!(table.current().unwrap().0, 9, "at rest on the first row");
    table.step(Move::Down);
    table.put(Item(10, "newer"));
    ids(&mut table);
    assert_eq!(table.current().unwrap().0, 3, "on its row");
    table.remove(&3);
    ids(&mut table);
    assert_eq!(table.current().unwrap().0, 2, "where its row was");
    assert!(
        !table.step(Move::Last) && table.step(Move::Last),
        "the end is told"
    );
}

#[test]
fn marks_choose_what_is_shown() {
    let mut table = table(Rest::First);
    assert_eq!(table.chosen(), [&Item(3, "fig")]);
    table.mark();
    table.step(Move::Down);
    table.mark_range();
    assert_eq!(table.chosen().len(), 3);
    table.set_filter("pear");
    ids(&mut table);
    assert_eq!(
        table.chosen(),
        [&Item(1, "pear")],
        "hidden marks are not chosen"
    );
    assert!(table.clear_marks() && !table.clear_marks());
    table.set_filter("");
    ids(&mut table);
    table.mark_all();
    assert_eq!(table.counts(), (3, 3, 3));
    table.mark_all();
    assert_eq!(table.counts().1, 0);
}

#[test]
fn events_are_newer_than_the_snapshot_under_way() {
    let mut table = table(Rest::First);
    table.begin_snapshot();
    table.put(Item(2, "changed"));
    table.put(Item(7, "made"));
    table.remove(&3);
    table.snapshot(
        vec![
            Item(1, "pear"),
            Item(2, "Apple"),
            Item(3, "fig"),
            Item(4, "plum"),
        ],
        true,
    );
    assert_eq!(ids(&mut table), [7, 4, 2, 1]);
    assert_eq!(table.get(&2).unwrap().1, "changed");
    table.begin_snapshot();
    table.snapshot(vec![Item(4, "plum")], true);
    assert_eq!(
        ids(&mut table),
        [4],
        "what a whole snapshot does not hold is gone"
    );
}

#[test]
fn the_number_of_rows_is_bounded() {
    for (rest, descending, newest) in [(Rest::First, true, 999), (Rest::Last, false, 999)] {
        let mut table: Table<Item> = Table::new(100, 0, descending, rest);
        (0..1000).for_each(|id| table.put(Item(id, "x")));
        let ids = ids(&mut table);
        assert!(
            ids.len() <= 113 && ids.contains(&newest),
            "{} rows",
            ids.len()
        );
        assert_eq!(table.current().unwrap().0, newest);
    }
}
