"""Scheduled looks at live models: harm, faults and movement, which mend, and who acts."""
