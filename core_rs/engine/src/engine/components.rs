//! The order in which a profile's entities are worked out: what pulls before what is pulled, circles together.

/// Nodes that pull each other, or one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Component {
    /// The nodes, ascending.
    pub(super) nodes: Vec<usize>,
    /// Whether a node's rows can be there because of the same node's rows.
    pub(super) cyclic: bool,
}

/// The strongly connected components of a graph of `count` nodes, each after all that lead to it.
pub(super) fn components(count: usize, edges: &[(usize, usize)]) -> Vec<Component> {
    let mut steps = vec![Vec::new(); count];
    for &(from, to) in edges {
        steps[from].push(to);
    }
    let reach: Vec<Vec<bool>> = (0..count).map(|node| reachable(&steps, node)).collect();
    // What leads to a node reaches all that the node does, and more; within a circle all reach the same.
    let others = |node: usize| (0..count).filter(|&other| other != node && reach[node][other]).count();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|&node| std::cmp::Reverse(others(node)));
    let mut found: Vec<Component> = Vec::new();
    for node in order {
        let mutual =
            |component: &&mut Component| component.nodes.iter().any(|&other| reach[node][other] && reach[other][node]);
        match found.iter_mut().find(mutual) {
            Some(component) => component.nodes.push(node),
            None => found.push(Component { nodes: vec![node], cyclic: reach[node][node] }),
        }
    }
    for component in &mut found {
        component.nodes.sort_unstable();
    }
    found
}

/// Which nodes can be reached from `start` in one step or more.
fn reachable(steps: &[Vec<usize>], start: usize) -> Vec<bool> {
    let mut reached = vec![false; steps.len()];
    let mut pending = vec![start];
    while let Some(node) = pending.pop() {
        for &to in &steps[node] {
            if !std::mem::replace(&mut reached[to], true) {
                pending.push(to);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(count: usize, edges: &[(usize, usize)]) -> Vec<(Vec<usize>, bool)> {
        components(count, edges).into_iter().map(|component| (component.nodes, component.cyclic)).collect()
    }

    #[test]
    fn a_chain_is_worked_out_from_its_beginning() {
        assert_eq!(order(3, &[(2, 0), (0, 1)]), [(vec![2], false), (vec![0], false), (vec![1], false)]);
    }

    #[test]
    fn circles_stay_together_between_what_leads_to_them_and_what_they_lead_to() {
        let edges = [(4, 0), (0, 1), (1, 0), (1, 2), (3, 3)];
        let found = order(5, &edges);
        let place = |nodes: &[usize]| found.iter().position(|component| component.0 == nodes);
        assert!(place(&[4]) < place(&[0, 1]) && place(&[0, 1]) < place(&[2]));
        assert!(found.contains(&(vec![0, 1], true)) && found.contains(&(vec![3], true)));
        assert!(found.contains(&(vec![2], false)));
        assert_eq!(found.len(), 4);
    }
}
