//! Conditions joined by "all of" and "any of", with the negations in the leaves.

use std::fmt;

/// A condition. [`Tree::any`] and [`Tree::all`] keep it simple: no join in a join of the same kind, none with
/// fewer than two sides, constants only as the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tree<L> {
    Constant(bool),
    Any(Vec<Tree<L>>),
    All(Vec<Tree<L>>),
    Leaf(L),
}

impl<L> Tree<L> {
    pub fn any(list: impl IntoIterator<Item = Tree<L>>) -> Self {
        Self::join(list, false)
    }

    pub fn all(list: impl IntoIterator<Item = Tree<L>>) -> Self {
        Self::join(list, true)
    }

    /// `neutral` is the constant that changes nothing, its opposite the one that decides.
    fn join(list: impl IntoIterator<Item = Tree<L>>, neutral: bool) -> Self {
        let mut sides = Vec::new();
        for side in list {
            match side {
                Tree::Constant(value) if value == neutral => {}
                Tree::Constant(_) => return side,
                Tree::All(inner) if neutral => sides.extend(inner),
                Tree::Any(inner) if !neutral => sides.extend(inner),
                side => sides.push(side),
            }
        }
        match sides.pop() {
            None => Tree::Constant(neutral),
            Some(only) if sides.is_empty() => only,
            Some(last) => {
                sides.push(last);
                if neutral { Tree::All(sides) } else { Tree::Any(sides) }
            }
        }
    }

    pub fn is_true(&self) -> bool {
        matches!(self, Tree::Constant(true))
    }

    pub fn leaves(&self) -> usize {
        match self {
            Tree::Constant(_) => 0,
            Tree::Any(list) | Tree::All(list) => list.iter().map(Tree::leaves).sum(),
            Tree::Leaf(_) => 1,
        }
    }

    /// The same joins with other leaves.
    pub fn map<M>(&self, change: &impl Fn(&L) -> Tree<M>) -> Tree<M> {
        match self {
            Tree::Constant(value) => Tree::Constant(*value),
            Tree::Any(list) => Tree::any(list.iter().map(|side| side.map(change))),
            Tree::All(list) => Tree::all(list.iter().map(|side| side.map(change))),
            Tree::Leaf(leaf) => change(leaf),
        }
    }
}

/// As the text of a filter: `&&` binds closer than `||`.
impl fmt::Display for Tree<String> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (list, by) = match self {
            Tree::Constant(value) => return write!(f, "{value}"),
            Tree::Leaf(text) => return f.write_str(text),
            Tree::Any(list) => (list, " || "),
            Tree::All(list) => (list, " && "),
        };
        for (number, side) in list.iter().enumerate() {
            f.write_str(if number == 0 { "" } else { by })?;
            match side {
                Tree::Any(_) => write!(f, "({side})")?,
                _ => write!(f, "{side}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(text: &str) -> Tree<String> {
        Tree::Leaf(text.to_owned())
    }

    #[test]
    fn joins_stay_simple() {
        let any = Tree::any([leaf("a"), Tree::Constant(false), Tree::any([leaf("b"), leaf("c")])]);
        assert_eq!(any, Tree::Any(vec![leaf("a"), leaf("b"), leaf("c")]));
        assert_eq!(Tree::all([leaf("a"), Tree::Constant(true)]), leaf("a"));
        assert_eq!(Tree::all([leaf("a"), Tree::Constant(false)]), Tree::Constant(false));
        assert_eq!(Tree::<String>::any([]), Tree::Constant(false));
        assert_eq!(any.leaves(), 3);
    }

    #[test]
    fn only_needed_parentheses() {
        let tree = Tree::any([leaf("a"), Tree::all([leaf("b"), Tree::any([leaf("c"), leaf("d")])])]);
        assert_eq!(tree.to_string(), "a || b && (c || d)");
    }
}
