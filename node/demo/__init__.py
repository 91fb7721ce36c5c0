"""Tell the story of a federation with real nodes, and check every step of it.

    report = run_story(load_material(data), directory, show)
    report.passed

``lists`` says what each member knows, ``story`` what happens, ``scan`` looks for raw identifiers
where none may be, ``report`` shows what came of it. ``night_harbour`` is the longer story, one
fraud from its first signs to what is learned from it. Both ask nodes through ``doors``.
"""
