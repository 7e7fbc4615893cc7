//! Sentences in lines of a terminal's width.
//!
//! Breaks at spaces alone: a word, a path or a number stays whole, even if it is wider than the
//! line. Called by texts that have sentences beside tables.

use super::summary::Look;

/// `text` in lines of at most `look`'s width, each ended by a line feed; those after the first begin
/// with `indent` spaces.
#[must_use]
pub fn paragraph(text: &str, indent: usize, look: Look) -> String {
    let width = usize::from(look.width);
    let (mut lines, mut line) = (String::new(), String::new());
    // Spaces at the start, or several at once, are how the first line is laid out.
    for (number, word) in text.split(' ').enumerate() {
        let longer = line.chars().count() + 1 + word.chars().count();
        if longer > width && !line.trim().is_empty() {
            lines.push_str(line.trim_end());
            lines.push('\n');
            line = " ".repeat(indent) + word;
        } else {
            line.push_str(if number == 0 { "" } else { " " });
            line.push_str(word);
        }
    }
    lines.push_str(line.trim_end());
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn look(width: u16) -> Look {
        Look { width, colour: false }
    }

    #[test]
    fn a_paragraph_keeps_its_head_and_hangs_the_rest() {
        let check = |text: &str, width, expected: &str| {
            assert_eq!(paragraph(text, 2, look(width)), expected);
        };
        check("* one two three", 100, "* one two three\n");
        check("* one two three", 9, "* one two\n  three\n");
        check("a  b c", 4, "a  b\n  c\n");
        check("unbreakable a", 4, "unbreakable\n  a\n");
        check("    four and", 9, "    four\n  and\n");
        check("", 4, "\n");
    }

    proptest! {
        #[test]
        fn no_word_is_lost_and_no_line_of_several_is_too_wide(
            words in prop::collection::vec("[a-z]{1,12}", 1..40),
            width in 10_u16..60,
            indent in 0_usize..8,
        ) {
            let told = paragraph(&words.join(" "), indent, look(width));
            let back: Vec<&str> = told.split_whitespace().collect();
            prop_assert_eq!(back, words);
            for (number, line) in told.lines().enumerate() {
                let several = line.split_whitespace().count() > 1;
                prop_assert!(!several || line.chars().count() <= usize::from(width), "{}", line);
                prop_assert!(number == 0 || line.starts_with(&" ".repeat(indent)));
            }
        }
    }
}
