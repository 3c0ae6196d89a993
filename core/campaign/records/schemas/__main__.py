"""Write the schemas again, next to this file."""

from pathlib import Path

from campaign.records.schemas import write_schemas

if __name__ == "__main__":
    write_schemas(Path(__file__).parent)
