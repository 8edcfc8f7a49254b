"""The demo's story: from an empty directory to a provisioned organization, through changes, to its end."""

from haversack_server.demo import changes, ending, publishing, setup
from haversack_server.demo.crew import Crew
from haversack_server.demo.stage import Stage


def tell(stage: Stage) -> None:
    """Plays every scene. What was not as it should be, the stage's narrator knows."""
    setup.create(stage)
    rows = setup.fill(stage)
    setup.stop_in_the_middle(stage)
    setup.survive_a_power_cut(stage, rows)
    publishing.validate(stage)
    foretold = publishing.publish(stage)
    with Crew(stage) as crew:
        publishing.sync_first(stage, crew, foretold)
        crew.go_live()
        changes.change_a_value(stage, crew)
        changes.change_an_owner(stage, crew)
        changes.change_a_unit(stage, crew)
        changes.let_time_pass(stage, crew)
        publishing.narrow_and_roll_back(stage, crew)
        ending.deprovision(stage, crew)
