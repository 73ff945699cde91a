"""The mathematics that strategies share: windows, preference graphs, rank aggregation, score fusion."""
