"""Try joint training on one table: a throw-away sandbox with a real node for each member.

``federation`` runs the plan and gives the model, ``measure`` compares it with what each member has
alone and with all rows in one pot, ``names`` finds member ids for whatever the table calls them.
"""
