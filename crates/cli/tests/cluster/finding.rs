//! Nodes that know one other find the rest.

use crate::network::{wait_until, Network};

#[test]
fn nodes_that_know_only_one_find_the_rest_and_go_on_without_it() {
    let mut network = Network::new(4, "500ms");
    (0..4).for_each(|index| network.start_node_that_finds(index));
    let follower = network.start_follower_that_finds("follower");
    for node in network.running().chain([&follower]) {
        let others = if node.name == follower.name { 4 } else { 3 };
        wait_until(&format!("{} finds the others", node.name), || node.peers() >= others);
    }
    network.wait_for_blocks(2);
    network.kill(0);
    network.wait_for_blocks(6);
    let goal = network.node(1).height() + 4;
    wait_until("the follower gets new blocks", || follower.height() >= goal);
    network.assert_agreement();
    assert_eq!(follower.block(goal), network.node(3).block(goal));
}
