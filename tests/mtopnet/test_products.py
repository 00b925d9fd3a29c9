"""Catalogue, PDFs on disk, explanation and latent space of a network trained in seconds."""

import json
import sys
from functools import cache
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table
from matplotlib.figure import Figure

from common.catalog import read_table
from common.catalogue import files as source
from common.catalogue.pdf_file import PdfWriter, check_name, read_pdfs
from common.errors import MissingDataError, ReadError, SuiteError, UsageError
from common.lines import LINES_MOONS
from common.mocks import moons
from mtopnet import evaluate, explain, latent, linemap, networks, predict
from mtopnet import pdf as pdfs
from mtopnet.catalogue import columns as catalogue
from mtopnet.examples import draw_spectra
from mtopnet.figures import explain as figures_explain
from mtopnet.tables import redshifts as tables
from tests.catalogues import killed_at
from tests.mtopnet import toy
from tests.mtopnet import toy_run as tiny
from tests.pictures import rendered


@pytest.fixture(scope="module", autouse=True)
def loaded_once():
    """Networks that are loaded and traced once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "load_networks", cache(networks.load_networks))
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Spectra of others with labels: one row is unusable, one has no label."""
    folder = tmp_path_factory.mktemp("files")
    labels = tiny.galaxies(12, seed=3)
    flux, error = tiny.fluxes(labels, seed=3)
    error[4, moons.arm_slices()["H"]] = 0  # no information in H
    tiny.write_spectra(folder / "spectra" / "a.fits", labels, flux=flux, error=error)
    labels[1:].write(folder / "labels.fits")
    return folder


def test_the_catalogue_has_its_columns_and_its_pdfs_on_disk(run_dir, files, tmp_path):
    out, pdf = tmp_path / "c.fits", tmp_path / "p.fits"
    arguments = ["--run-dir", str(run_dir), "-o", str(out), "--pdf", str(pdf)]
    assert predict.main([*arguments, str(files)]) == 0
    table = read_table(out)
    assert len(table) == 23 and set(catalogue.DESCRIPTIONS) - set(table) == {"p_none"}
    assert ((table["z_low68"] <= table["z_high68"]) & (table["z_low95"] <= table["z_low68"])).all()
    assert table["p_z"].between(0, 1.000001).all() and (table["log_mass_err"] > 0).all()
    assert (table["quality"] == (table["entropy"] < 2)).all()
    rejects = read_table(tmp_path / "c.fits.rejects.ecsv")
    assert rejects["id"].tolist() == ["T3-0002-2h"] and "H (0%" in rejects["reason"][0]
    assert not list(tmp_path.glob(".*"))
    ids, p, edges = read_pdfs(pdf)
    assert isinstance(p, np.memmap) and p.shape == (23, 80)
    assert ids.tolist() == table["id"].tolist()
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    held_within = pdfs.mass_near(p, edges, z=table["z"])
    np.testing.assert_allclose(held_within, table["p_z"], atol=1e-5)
    for name, end in zip(("z_low68", "z_high68"), pdfs.credible_interval(p, edges, 0.68),
                         strict=True):  # fmt: skip
        np.testing.assert_allclose(table[name], end, atol=1e-4)
    assert np.abs(pdfs.entropy(p) - table["entropy"]).max() > 0.01, "that of the network's own"
    with fits.open(pdf) as hdus:
        hdus.verify("exception")
        np.testing.assert_array_equal(hdus["PDF"].data["PDF"], p)
        assert hdus["PDF"].header["TRAINED"] == "moons"
    again = tmp_path / "mc.fits"
    arguments = ["--run-dir", str(run_dir), "-o", str(again), "--passes", "4", str(files)]
    assert predict.main(arguments) == 0
    mc = read_table(again)
    assert (mc["entropy"] != table["entropy"]).all() and mc["id"].equals(table["id"])


def test_a_kill_keeps_what_was_finished_and_the_command_goes_on(run_dir, files, tmp_path,
                                                                monkeypatch, capsys):  # fmt: skip
    monkeypatch.setattr(source, "CHUNK", 16)
    out, pdf = tmp_path / "c.parquet", tmp_path / "p.fits"
    arguments = ["--run-dir", str(run_dir), "-o", str(out), "--pdf", str(pdf), str(files)]
    with monkeypatch.context() as patch:
        killed_at(patch, predict, "catalogue", 2)
        assert predict.main(arguments) != 0
    assert not out.exists() and not pdf.exists()
    table = read_table(tmp_path / "c.partial.parquet")
    ids, p, _ = read_pdfs(tmp_path / "p.partial.fits")
    assert len(table) == 15 == len(p) and ids.tolist() == table["id"].tolist()
    said = capsys.readouterr().err
    assert "finished rows" in said and "PDFs are in" in said
    assert {f.name for f in tmp_path.iterdir()} == {"c.parquet.parts",
        "c.partial.parquet", "p.partial.fits", "c.partial.parquet.rejects.ecsv"}  # fmt: skip
    calls = killed_at(monkeypatch, predict, "catalogue", 0)
    assert predict.main(arguments) == 0 and len(calls) == 1
    table, (ids, p, edges) = read_table(out), read_pdfs(pdf)
    assert len(table) == 23 == len(p) and ids.tolist() == table["id"].tolist()
    np.testing.assert_allclose(pdfs.mean(p, edges), table["z_mean"], atol=1e-5)


def test_files_that_hold_nothing_usable_are_told_of(run_dir, tmp_path, capsys):
    labels = tiny.galaxies(2, seed=4)
    tiny.write_spectra(tmp_path / "in" / "a.fits", labels, seed=4, arms=("RI", "YJ"))
    out, pdf = tmp_path / "c.fits", tmp_path / "p.fits"
    arguments = ["--run-dir", str(run_dir), "-o", str(out), "--pdf", str(pdf)]
    assert predict.main([*arguments, str(tmp_path / "in")]) == 1
    text = capsys.readouterr().err
    assert "without the H arm" in text and "Traceback" not in text
    assert not out.exists() and not pdf.exists() and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("extra, says", [
    (["--pdf", "p.npy"], "must end in .fits"), (["--entropy-cut", "0"], "above 0"),
    (["--passes", "-1"], "must not be negative"), (["--pdf", "c.fits"], "same file"),
])  # fmt: skip
def test_options_that_cannot_be_used(run_dir, files, tmp_path, capsys, monkeypatch, extra, says):
    monkeypatch.chdir(tmp_path)
    arguments = ["--run-dir", str(run_dir), "-o", "c.fits", *extra, str(files)]
    assert predict.main(arguments) == 2
    assert says in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_warnings_say_what_they_mean():
    values = pd.DataFrame({"z_peak": [1.5, 2.8, 0.602, 1.5], "p_peak": 0.5,
                           "p_peak2": [np.nan, 0.1, 0.2, 0.05], "lgm_pred": [10, 10, 10, 12.5],
                           "sfr_pred": 0.0})  # fmt: skip
    notes = ["", "", "continuum negative everywhere", ""]
    about = pd.DataFrame({"bad_fraction": [0, 0.5, 0, 0], "note": notes,
                          "survey": ["moons", "", "moons", "desi"]})  # fmt: skip

    known = SimpleNamespace(config=tiny.tiny_config(dz=0.003),
                            training_range={"z": (0.7, 2.7), "log_mass": (8.0, 11.5)})  # fmt: skip
    warn = catalogue.flags(known, about, values, np.array([1.0, 0.2, 0.9, np.nan]))
    told = {name: np.flatnonzero(rows).tolist() for name, rows in warn.items() if rows.any()}
    assert told == {"TWO_SOLUTIONS": [2], "EDGE_OF_Z": [2], "NO_BRIGHT_LINE": [1],
                    "LINES_DISAGREE": [1], "Z_RANGE": [1, 2], "MASS_RANGE": [3], "BAD_PIXELS": [1],
                    "NEGATIVE_CONTINUUM": [2], "OTHER_SURVEY": [3]}  # fmt: skip


def test_a_run_is_evaluated_on_other_files(run_dir, files, tmp_path):
    out = tmp_path / "out"
    assert evaluate.main(["--run-dir", str(run_dir), "--on", str(files), "-o", str(out)]) == 0
    df = pd.read_parquet(out / "predictions.parquet")
    labels = read_table(files / "labels.fits").set_index("id")
    assert len(df) == 22
    np.testing.assert_allclose(df["z_true"], labels.loc[df["id"], "z"])
    rejects = Table.read(out / "tables" / "rejects.ecsv").to_pandas()
    assert set(rejects["id"]) == {"T3-0000-2h", "T3-0002-2h"}
    assert "no label of this id" in set(rejects["reason"])
    judged = Table.read(out / "claims.ecsv").to_pandas()
    assert set(judged["verdict"]) == {"untested"}
    assert "TESTED ON FILES" in (out / "report.html").read_text()


def test_pdfs_are_written_in_pieces_and_cut(tmp_path):
    p = np.random.default_rng(0).dirichlet(np.ones(7), 30).astype("f4")
    edges, path = np.linspace(0.6, 3, 8), tmp_path / "p.fits"
    writer = PdfWriter(path, edges, {"RUN": "Sérsic"})
    for start in range(0, 30, 10):
        writer.append([f"id {i}" for i in range(start, start + 10)], p[start : start + 10])
    with pytest.raises(SuiteError, match="PDF of 7 bins"):
        writer.append(["x"], np.zeros((1, 6)))
    writer.close(rows=25)
    writer.close()
    ids, found, own = read_pdfs(path)
    np.testing.assert_array_equal(found, p[:25])
    np.testing.assert_array_equal(own, edges)
    assert ids[24] == "id 24" and path.stat().st_size % 2880 == 0
    both = PdfWriter(tmp_path / "b.fits", edges, more={"sfr": [0.0, 1.0, 3.0]})
    both.append(["a", "b"], p[:2], sfr=[[0.2, 0.8], [1.0, 0.0]])
    with pytest.raises(SuiteError, match="PDF_SFR of 2 bins"):
        both.append(["c"], p[:1])
    both.close()
    _, rate, own = read_pdfs(tmp_path / "b.fits", "sfr")
    np.testing.assert_allclose(rate[0], [0.2, 0.8])
    assert own.tolist() == [0, 1, 3]
    np.testing.assert_array_equal(read_pdfs(tmp_path / "b.fits")[1], p[:2])
    with pytest.raises(ReadError, match="with sfr"):
        read_pdfs(path, "sfr")
    PdfWriter(tmp_path / "e.fits", edges).close()
    assert read_pdfs(tmp_path / "e.fits")[1].shape == (0, 7)


@pytest.mark.parametrize("content", [b"", b"no fits", None])
def test_what_is_no_file_of_pdfs_is_refused(tmp_path, content):
    path = tmp_path / "p.fits"
    if content is None:
        fits.HDUList([fits.PrimaryHDU()]).writeto(path)
    else:
        path.write_bytes(content)
    with pytest.raises(ReadError, match="no file of PDFs"):
        read_pdfs(path)
    with pytest.raises(UsageError, match=r"\.fits"):
        check_name("p.npy")


def test_lines_fall_on_their_channels_and_not_into_gaps():
    wave = moons.grid()
    z = np.array([0.7, 1.1, 2.5, np.nan])
    channels = linemap.line_channels(z, wave)
    rest = np.array(list(LINES_MOONS.values()))
    for row, redshift in zip(channels, z, strict=True):
        at = rest * (1 + redshift)
        on = row >= 0
        assert np.abs(wave[row[on]] - at[on]).max(initial=0) < 0.6
        off = at[~on & np.isfinite(at)]
        gap = (off > 13499) & (off < 14520)
        assert (gap | (off < 6471) | (off > 17999)).all()
    assert (channels[3] == -1).all()
    names = list(LINES_MOONS)
    assert channels[1, names.index("Ha")] == -1  # 13786 Å: between YJ and H
    mask = linemap.true_map(z, wave)
    assert mask.sum(axis=1)[0] <= 11 * (channels[0] >= 0).sum() and not mask[3].any()
    assert mask[0, channels[0, names.index("Ha")] + 5]


def test_found_lines_are_those_that_are_marked():
    wave, z = moons.grid(), np.array([1.0, 1.0])
    marked = np.zeros((2, len(wave)))
    names = list(LINES_MOONS)
    at = linemap.line_channels(z, wave)[0]
    marked[0, at[names.index("Hb")] + 3] = 0.9
    marked[0, at[names.index("[OII] 3727")]] = 0.4
    assert linemap.found_lines(marked, z, wave) == ["Hb", ""]
    places = linemap.marked_places(marked[0], wave)
    assert len(places) == 1 and abs(places[0] / 2 - LINES_MOONS["Hb"]) < 2
    table = linemap.map_table(linemap.true_map(z, wave), z, wave, np.array([True, False]))
    assert (table["recall"] == 1).all() and (table["precision"] == 1).all()
    wrong = linemap.map_table(linemap.true_map(z + 0.3, wave), z, wave, np.array([True, True]))
    assert wrong["recall"].iloc[0] < 0.3 and set(wrong["redshifts"]) == {"all", "right"}


def test_line_weights_find_where_the_gradient_was_put():
    rng, wave = np.random.default_rng(0), moons.grid()
    z = rng.uniform(0.8, 1.6, 40)
    gradient = np.abs(rng.normal(1, 0.1, (40, len(wave))))
    near = np.abs(wave[None] / (1 + z[:, None]) - LINES_MOONS["Hb"]) < 8
    gradient = gradient + 9 * near
    x = np.ones_like(gradient)
    x[:, ::7] = 0  # masked: their gradient does not count
    gradient[:, ::7] = 1e6
    table = explain.line_weights(gradient, x, z, wave).set_index("lines")
    assert table.loc["Hβ", "ratio"] == pytest.approx(10, rel=0.05)
    assert table.loc["[O II]", "ratio"] == pytest.approx(1, rel=0.05)
    assert table.loc["no line", "share"] > 0.7
    curve = explain.at_rest(gradient, x, z, wave)
    middle = (explain.REST[1:] + explain.REST[:-1]) / 2
    assert abs(middle[np.nanargmax(curve)] - LINES_MOONS["Hb"]) < 8
    assert np.isnan(curve[middle < 6470 / 2.6]).all()


def test_examples_are_of_the_four_kinds():
    made = toy.predictions(150)[0]
    df = tables.labelled(tables.with_dz(tables.with_types(made), toy.EDGES)).set_index("id")
    chosen = explain.choose_examples(df.reset_index(), seed=1)
    assert list(chosen) == ["right (1)", "right (2)", "wrong, second peak right",
                            "wrong, second peak wrong"]  # fmt: skip
    assert len(set(chosen.values())) == 4
    rows = df.loc[list(chosen.values())]
    assert (np.abs(rows["dz"]) < 0.003).tolist() == [True, True, False, False]
    second = np.abs(rows["z_peak2"] - rows["z_label"]) < 0.01
    assert second.tolist()[2:] == [True, False]
    assert explain.choose_examples(df.reset_index(), seed=1) == chosen
    right = explain.choose_examples(df[df["planted"] == 1].reset_index())
    assert list(right) == ["right (1)", "right (2)"]


def test_saliency_is_the_gradient_of_the_log_probability(run_dir):
    known, predicted = networks.load_networks(run_dir), networks.predicted
    x = np.random.default_rng(0).normal(size=(3, known.config.n_input)).astype("f4")
    _, pdf = predicted(known, x)
    bins = np.argmax(pdf, axis=1)
    gradient = explain.redshift_saliency(networks.redshift_model(known), x, bins)
    assert gradient.shape == x.shape and np.abs(gradient).max() > 0
    step = 1e-2 * gradient / np.linalg.norm(gradient, axis=1, keepdims=True)
    rows = np.arange(3)
    up, down = (np.log(predicted(known, x + s)[1][rows, bins]) for s in (step, -step))
    slope = np.linalg.norm(gradient, axis=1)
    np.testing.assert_allclose((up - down) / 2e-2, slope, rtol=0.1)


@rendered()
def test_explain_and_latent_leave_their_files(run_dir, capsys, monkeypatch):
    labels = pd.read_parquet(run_dir / "data" / "labels.parquet")
    one = labels.loc[labels["split"] == "test", "id"].iloc[0]
    assert explain.main(["--run-dir", str(run_dir), "-n", "20", "--id", one]) == 0
    # UMAP itself takes long to compile: it has a test of its own.
    monkeypatch.setattr(latent, "umap_plane", lambda f, seed: np.asarray(f)[:, :2])
    assert latent.main(["--run-dir", str(run_dir)]) == 0
    for stem in ("F9_F10_examples", "F13_latent"):
        assert (run_dir / "figures" / f"{stem}.png").stat().st_size > 5000
    lines = Table.read(run_dir / "tables" / "saliency_lines.ecsv").to_pandas()
    assert {"Hα + [N II]", "no line"} <= set(lines["lines"])
    scores = Table.read(run_dir / "tables" / "latent.ecsv").to_pandas().set_index("quantity")
    assert scores.loc["log M", "r2"] > 0.5 > scores.loc["log M", "r2_shuffled"]
    kept = pd.read_parquet(run_dir / "explain" / "latent.parquet")
    assert set(kept["id"]) == set(labels.loc[labels["split"] == "test", "id"])
    assert explain.main(["--run-dir", str(run_dir), "--id", "nobody"]) == 2
    assert "nobody" in capsys.readouterr().err


def test_scores_tell_what_is_encoded_from_what_is_not():
    rng = np.random.default_rng(2)
    n = 400
    mass, flux = rng.normal(10, 0.5, n), 10 ** rng.normal(-17, 0.5, n)
    features = np.stack([mass, 100 * mass, rng.normal(size=n)], axis=1)
    about = latent.with_flux(pd.DataFrame({"galaxy": np.arange(n), "lgm_true": mass, "f_ha": flux,
                                           "sersic_n": 4.0}))  # fmt: skip
    table = latent.score_table(features, about, plane=features[:, 2:]).set_index("quantity")
    assert table.loc["log M", "r2"] > 0.9 and table.loc["log M", "in_training"]
    assert abs(table.loc["log M", "r2_umap"]) < 0.3 and abs(table.loc["log M", "r2_shuffled"]) < 0.3
    assert table.loc["log F(Hα)", "r2"] < 0.2 and not table.loc["log F(Hα)", "in_training"]
    assert np.isnan(table.loc["Sérsic index", "r2"])  # all alike


def test_a_galaxys_other_spectra_do_not_tell_its_value():
    rng = np.random.default_rng(3)
    value = np.repeat(rng.normal(size=100), 3)
    features = np.repeat(rng.normal(size=(100, 4)), 3, axis=0)  # says which galaxy, nothing else
    galaxy = np.repeat(np.arange(100), 3)
    assert latent.knn_score(features, value, np.arange(300)) > 0.9
    assert latent.knn_score(features, value, galaxy) < 0.2
    assert np.isnan(latent.knn_score(features[:20], value[:20], galaxy[:20]))


@pytest.mark.slow
def test_umap_keeps_two_kinds_apart():
    pytest.importorskip("umap")
    kinds = np.repeat([0.0, 8.0], 60)
    x = np.random.default_rng(0).normal(size=(120, 6)) + kinds[:, None]
    plane = latent.umap_plane(x, seed=1)
    assert plane.shape == (120, 2)
    assert latent.knn_score(plane, kinds, np.arange(120)) > 0.95
    np.testing.assert_array_equal(plane, latent.umap_plane(x, seed=1))
    with pytest.raises(SuiteError, match="45 spectra"):
        latent.umap_plane(x[:20])


def test_without_umap_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(SuiteError, match=r"\[umap\].*--no-umap"):
        latent.umap_plane(np.zeros((100, 3)))


def test_figure_of_examples_and_of_planes_have_their_panels():
    wave = moons.grid()
    case = {"title": "right", "id": "a", "z_true": 1.2, "z_peak": 1.2015, "dz": 0.0,
            "exposure": 2.0, "m_h": np.nan, "entropy": 0.5, "flux": np.sin(wave / 50),
            "saliency": np.abs(np.cos(wave / 30)), "pdf": np.eye(800)[200],
            "places": np.array([8000.0, 11000.0])}  # fmt: skip
    figure = figures_explain.examples([case, case | {"dz": 0.5}, case], toy.EDGES, wave)
    assert sum(len(part.axes) for part in figure.subfigs) >= 9
    about = pd.DataFrame({"lgm_true": np.arange(60.0), "z_true": np.nan})
    scores = pd.DataFrame({"quantity": ["log M"], "r2": [0.5]})
    planes = figures_explain.latent_planes(np.random.default_rng(0).normal(size=(60, 2)), about,
                                           scores, quantities=latent.QUANTITIES)  # fmt: skip
    assert "0.50" in planes.axes[0].get_title()


def test_fig_2_shows_spectra_as_they_come(run_dir, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        "mtopnet.mock.figures.examples", lambda *a: seen.update(a=a) or Figure(figsize=(1, 1))
    )
    path = draw_spectra(run_dir, tiny.tiny_config())
    spectra, labels = seen["a"]
    assert path.name.startswith("F2_spectra") and path.parent.parent == run_dir
    own = labels.set_index("id").loc[spectra.ids]
    assert own["z"].between(0.75, 1.5).all() and (own["exposure"] == 2).all()
    assert own["kind"].tolist() == ["star-forming", "star-forming", "quiescent"]
    assert np.nanmax(np.abs(spectra.flux)) > 0 and own["f_ha"].iloc[0] > own["f_ha"].iloc[1]
    about = json.loads((run_dir / "config.json").read_text())
    (run_dir / "config.json").write_text(json.dumps(about | {"data_dir": "/nowhere"}))
    with pytest.raises(MissingDataError, match="no longer in /nowhere"):
        draw_spectra(run_dir, tiny.tiny_config())
    (run_dir / "config.json").write_text(json.dumps(about))
