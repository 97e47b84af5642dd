//! Names people give to groups and to each other, in many scripts: whatever a list must sort, search and show.

const NAMES: [&str; 40] = [
    "Zeta club",
    "alpha team",
    "Family",
    "Работа",
    "🚀 Rocket",
    "José Ñandú",
    "Straße 9",
    "İstanbul",
    "ılık çay",
    "Ångström",
    "مجموعة العائلة",
    "קבוצת המשפחה",
    "家庭群",
    "東京オフィス",
    "한국 친구들",
    "ﬁnance",
    "100 % sale",
    "snake_case_group",
    "O'Brien \"Bob\"",
    "back\\slash",
    "",
    "Ελλάδα",
    "ไทยแลนด์",
    "हिन्दी समूह",
    "👨‍👩‍👧‍👦 Casa",
    "e\u{301}te\u{301}", // decomposed accents
    "été",
    "  spaces  around  ",
    "tab\tand\nline",
    "<b>html</b>",
    "Đà Nẵng",
    "Łódź",
    "ČŠŽ",
    "þórr",
    "ÆØÅ",
    "Борис",
    "Ann",
    "ANN",
    "ann",
    "\u{202e}override\u{202c}",
];

/// The name of number `index`: the names above first, then again with a number, every fourth round without one, so
/// that some are equal.
pub(crate) fn name(index: usize) -> String {
    let base = NAMES[index % NAMES.len()];
    match index / NAMES.len() {
        0 => base.to_owned(),
        round if round % 4 == 3 || base.is_empty() => base.to_owned(),
        round => format!("{base} {round}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn some_names_are_equal_and_some_are_empty() {
        let names: Vec<_> = (0..1000).map(name).collect();

        let different: HashSet<_> = names.iter().collect();
        assert!(different.len() > 500 && different.len() < 900, "{}", different.len());
        assert!(names.iter().any(String::is_empty));
    }
}
