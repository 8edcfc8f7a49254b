"""The main job on real data: an organization, two profiles, three devices, and what happens when things change."""
