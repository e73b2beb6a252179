"""Why a distribution is wrong: signs of the usual mistakes, the known rule that has it, and what a report shows."""
