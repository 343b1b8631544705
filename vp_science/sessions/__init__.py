"""Sessions: the recordings of an experiment and what people make of them, step by step, beside each other.

What the napari panel does, without any window: labels with undo that survive a crash, jobs in a process of their own,
review, suggestions. Names are loaded when they are first used.
"""

from typing import TYPE_CHECKING

from vp_science.lazy import lazy_names

if TYPE_CHECKING:
    from vp_science.batch import natural_key as natural_key
    from vp_science.recordings import DecodedFrame as DecodedFrame
    from vp_science.sessions.accuracy import Accuracy as Accuracy
    from vp_science.sessions.accuracy import BehaviorAccuracy as BehaviorAccuracy
    from vp_science.sessions.accuracy import measure_accuracy as measure_accuracy
    from vp_science.sessions.bout import Bout as Bout
    from vp_science.sessions.bout import Observed as Observed
    from vp_science.sessions.bout import Status as Status
    from vp_science.sessions.bout_table import BoutTable as BoutTable
    from vp_science.sessions.cluster_interval import Share as Share
    from vp_science.sessions.edits import Edit as Edit
    from vp_science.sessions.ground_truth import GROUND_TRUTH as GROUND_TRUTH
    from vp_science.sessions.ground_truth import GroundTruth as GroundTruth
    from vp_science.sessions.ground_truth import Segment as Segment
    from vp_science.sessions.ground_truth import free_time as free_time
    from vp_science.sessions.ground_truth import ground_truth_spans as ground_truth_spans
    from vp_science.sessions.ground_truth import read_ground_truth as read_ground_truth
    from vp_science.sessions.ground_truth import recording_spans as recording_spans
    from vp_science.sessions.label_files import ImportPlan as ImportPlan
    from vp_science.sessions.label_files import ImportSettings as ImportSettings
    from vp_science.sessions.label_files import LabelFormat as LabelFormat
    from vp_science.sessions.label_files import PredictedBouts as PredictedBouts
    from vp_science.sessions.label_files import RecordingClocks as RecordingClocks
    from vp_science.sessions.label_files import export_labels as export_labels
    from vp_science.sessions.label_files import label_formats as label_formats
    from vp_science.sessions.label_files import plan_import as plan_import
    from vp_science.sessions.label_files import with_predictions as with_predictions
    from vp_science.sessions.label_log import read_labels as read_labels
    from vp_science.sessions.labelbook import LabelBook as LabelBook
    from vp_science.sessions.map_points import MapPoints as MapPoints
    from vp_science.sessions.map_points import MapStatus as MapStatus
    from vp_science.sessions.map_points import compare_map as compare_map
    from vp_science.sessions.map_points import load_map as load_map
    from vp_science.sessions.mapping import map_path as map_path
    from vp_science.sessions.mapping import preview_path as preview_path
    from vp_science.sessions.mapping import session_tracks as session_tracks
    from vp_science.sessions.material import LabelChanges as LabelChanges
    from vp_science.sessions.material import TrainingMaterial as TrainingMaterial
    from vp_science.sessions.material import embedded_recordings as embedded_recordings
    from vp_science.sessions.material import training_material as training_material
    from vp_science.sessions.models import ModelChoice as ModelChoice
    from vp_science.sessions.models import list_models as list_models
    from vp_science.sessions.moments import duration_text as duration_text
    from vp_science.sessions.moments import label_moments as label_moments
    from vp_science.sessions.moments import merge_moments as merge_moments
    from vp_science.sessions.moments import moments_text as moments_text
    from vp_science.sessions.montage_plan import clip_span as clip_span
    from vp_science.sessions.montage_plan import varied_order as varied_order
    from vp_science.sessions.point_labels import edited_points as edited_points
    from vp_science.sessions.point_labels import point_behaviors as point_behaviors
    from vp_science.sessions.point_labels import point_scores as point_scores
    from vp_science.sessions.pose_look import Animal as Animal
    from vp_science.sessions.pose_look import crop_outlines as crop_outlines
    from vp_science.sessions.pose_look import find_poses as find_poses
    from vp_science.sessions.pose_look import look_at_poses as look_at_poses
    from vp_science.sessions.prediction import Decided as Decided
    from vp_science.sessions.prediction import SavedPrediction as SavedPrediction
    from vp_science.sessions.prediction import ScoreDecider as ScoreDecider
    from vp_science.sessions.prediction import prediction_path as prediction_path
    from vp_science.sessions.prediction import read_predictions as read_predictions
    from vp_science.sessions.probe_scores import Confusion as Confusion
    from vp_science.sessions.probe_scores import ProbeScores as ProbeScores
    from vp_science.sessions.probe_scores import read_scores as read_scores
    from vp_science.sessions.quick_look import LookCache as LookCache
    from vp_science.sessions.quick_look import QuickLook as QuickLook
    from vp_science.sessions.quick_look import find_recordings as find_recordings
    from vp_science.sessions.recording_state import RECORDING_FILTERS as RECORDING_FILTERS
    from vp_science.sessions.recording_state import DiskState as DiskState
    from vp_science.sessions.recording_state import LabelState as LabelState
    from vp_science.sessions.recording_state import RecordingState as RecordingState
    from vp_science.sessions.recording_state import label_state as label_state
    from vp_science.sessions.recording_state import look_at_disk as look_at_disk
    from vp_science.sessions.review import ReviewProgress as ReviewProgress
    from vp_science.sessions.review import ReviewQueue as ReviewQueue
    from vp_science.sessions.review_decisions import accept_all as accept_all
    from vp_science.sessions.review_estimate import RestEstimate as RestEstimate
    from vp_science.sessions.review_items import ReviewItem as ReviewItem
    from vp_science.sessions.review_items import ReviewState as ReviewState
    from vp_science.sessions.review_items import labels_at as labels_at
    from vp_science.sessions.review_items import review_state as review_state
    from vp_science.sessions.review_log import Decision as Decision
    from vp_science.sessions.review_log import read_decisions as read_decisions
    from vp_science.sessions.review_questions import REVIEW_ORDERS as REVIEW_ORDERS
    from vp_science.sessions.search_round import Hit as Hit
    from vp_science.sessions.search_round import SearchRound as SearchRound
    from vp_science.sessions.search_round import label_hits as label_hits
    from vp_science.sessions.search_round import labelled_as as labelled_as
    from vp_science.sessions.search_round import search_example as search_example
    from vp_science.sessions.search_round import search_examples as search_examples
    from vp_science.sessions.search_round import session_request as session_request
    from vp_science.sessions.session import Session as Session
    from vp_science.sessions.session import SessionRecording as SessionRecording
    from vp_science.sessions.session import find_track as find_track
    from vp_science.sessions.session import open_session as open_session
    from vp_science.sessions.session import session_folder as session_folder
    from vp_science.sessions.session_pictures import PictureSource as PictureSource
    from vp_science.sessions.session_pictures import SessionPictures as SessionPictures
    from vp_science.sessions.session_pictures import picture_source as picture_source
    from vp_science.sessions.session_probes import ProbeCard as ProbeCard
    from vp_science.sessions.session_probes import list_probes as list_probes
    from vp_science.sessions.session_probes import read_probe as read_probe
    from vp_science.sessions.session_probes import read_trained_labels as read_trained_labels
    from vp_science.sessions.session_probes import training_folder as training_folder
    from vp_science.sessions.thumbnail_cache import ThumbnailCache as ThumbnailCache
    from vp_science.sessions.tracks import FoundTrack as FoundTrack
    from vp_science.sessions.tracks import Listings as Listings
    from vp_science.sessions.tracks import find_tracks as find_tracks
    from vp_science.sessions.tracks import find_unfinished as find_unfinished
    from vp_science.sessions.tracks import unlike_the_others as unlike_the_others
    from vp_science.sessions.user_settings import read_user_settings as read_user_settings
    from vp_science.sessions.user_settings import write_user_settings as write_user_settings
    from vp_science.sessions.viewing import find_viewing_copy as find_viewing_copy
    from vp_science.sessions.viewing import open_viewing as open_viewing
    from vp_science.sessions.viewing import user_cache_folder as user_cache_folder
    from vp_science.timeline.behaviors import Behavior as Behavior
    from vp_science.timeline.ethogram import frame_edges as frame_edges
    from vp_science.timeline.ranking import RankingCurve as RankingCurve
    from vp_science.video.viewing import ViewingSource as ViewingSource

_HOME = {
    "Accuracy": "vp_science.sessions.accuracy",
    "Animal": "vp_science.sessions.pose_look",
    "Behavior": "vp_science.timeline.behaviors",
    "BehaviorAccuracy": "vp_science.sessions.accuracy",
    "Bout": "vp_science.sessions.bout",
    "BoutTable": "vp_science.sessions.bout_table",
    "Confusion": "vp_science.sessions.probe_scores",
    "Decided": "vp_science.sessions.prediction",
    "Decision": "vp_science.sessions.review_log",
    "DecodedFrame": "vp_science.recordings",
    "DiskState": "vp_science.sessions.recording_state",
    "Edit": "vp_science.sessions.edits",
    "FoundTrack": "vp_science.sessions.tracks",
    "GROUND_TRUTH": "vp_science.sessions.ground_truth",
    "GroundTruth": "vp_science.sessions.ground_truth",
    "Hit": "vp_science.sessions.search_round",
    "ImportPlan": "vp_science.sessions.label_files",
    "ImportSettings": "vp_science.sessions.label_files",
    "LabelBook": "vp_science.sessions.labelbook",
    "LabelChanges": "vp_science.sessions.material",
    "LabelFormat": "vp_science.sessions.label_files",
    "LabelState": "vp_science.sessions.recording_state",
    "Listings": "vp_science.sessions.tracks",
    "LookCache": "vp_science.sessions.quick_look",
    "MapPoints": "vp_science.sessions.map_points",
    "MapStatus": "vp_science.sessions.map_points",
    "ModelChoice": "vp_science.sessions.models",
    "Observed": "vp_science.sessions.bout",
    "PictureSource": "vp_science.sessions.session_pictures",
    "PredictedBouts": "vp_science.sessions.label_files",
    "ProbeCard": "vp_science.sessions.session_probes",
    "ProbeScores": "vp_science.sessions.probe_scores",
    "QuickLook": "vp_science.sessions.quick_look",
    "RECORDING_FILTERS": "vp_science.sessions.recording_state",
    "REVIEW_ORDERS": "vp_science.sessions.review_questions",
    "RankingCurve": "vp_science.timeline.ranking",
    "RecordingClocks": "vp_science.sessions.label_files",
    "RecordingState": "vp_science.sessions.recording_state",
    "RestEstimate": "vp_science.sessions.review_estimate",
    "ReviewItem": "vp_science.sessions.review_items",
    "ReviewProgress": "vp_science.sessions.review",
    "ReviewQueue": "vp_science.sessions.review",
    "ReviewState": "vp_science.sessions.review_items",
    "SavedPrediction": "vp_science.sessions.prediction",
    "ScoreDecider": "vp_science.sessions.prediction",
    "SearchRound": "vp_science.sessions.search_round",
    "Segment": "vp_science.sessions.ground_truth",
    "Session": "vp_science.sessions.session",
    "SessionPictures": "vp_science.sessions.session_pictures",
    "SessionRecording": "vp_science.sessions.session",
    "Share": "vp_science.sessions.cluster_interval",
    "Status": "vp_science.sessions.bout",
    "ThumbnailCache": "vp_science.sessions.thumbnail_cache",
    "TrainingMaterial": "vp_science.sessions.material",
    "ViewingSource": "vp_science.video.viewing",
    "accept_all": "vp_science.sessions.review_decisions",
    "clip_span": "vp_science.sessions.montage_plan",
    "compare_map": "vp_science.sessions.map_points",
    "crop_outlines": "vp_science.sessions.pose_look",
    "duration_text": "vp_science.sessions.moments",
    "edited_points": "vp_science.sessions.point_labels",
    "embedded_recordings": "vp_science.sessions.material",
    "export_labels": "vp_science.sessions.label_files",
    "find_poses": "vp_science.sessions.pose_look",
    "find_recordings": "vp_science.sessions.quick_look",
    "find_track": "vp_science.sessions.session",
    "find_tracks": "vp_science.sessions.tracks",
    "find_unfinished": "vp_science.sessions.tracks",
    "find_viewing_copy": "vp_science.sessions.viewing",
    "frame_edges": "vp_science.timeline.ethogram",
    "free_time": "vp_science.sessions.ground_truth",
    "ground_truth_spans": "vp_science.sessions.ground_truth",
    "label_formats": "vp_science.sessions.label_files",
    "label_hits": "vp_science.sessions.search_round",
    "label_moments": "vp_science.sessions.moments",
    "label_state": "vp_science.sessions.recording_state",
    "labelled_as": "vp_science.sessions.search_round",
    "labels_at": "vp_science.sessions.review_items",
    "list_models": "vp_science.sessions.models",
    "list_probes": "vp_science.sessions.session_probes",
    "load_map": "vp_science.sessions.map_points",
    "look_at_disk": "vp_science.sessions.recording_state",
    "look_at_poses": "vp_science.sessions.pose_look",
    "map_path": "vp_science.sessions.mapping",
    "measure_accuracy": "vp_science.sessions.accuracy",
    "merge_moments": "vp_science.sessions.moments",
    "moments_text": "vp_science.sessions.moments",
    "natural_key": "vp_science.batch",
    "open_session": "vp_science.sessions.session",
    "open_viewing": "vp_science.sessions.viewing",
    "picture_source": "vp_science.sessions.session_pictures",
    "plan_import": "vp_science.sessions.label_files",
    "point_behaviors": "vp_science.sessions.point_labels",
    "point_scores": "vp_science.sessions.point_labels",
    "prediction_path": "vp_science.sessions.prediction",
    "preview_path": "vp_science.sessions.mapping",
    "read_decisions": "vp_science.sessions.review_log",
    "read_ground_truth": "vp_science.sessions.ground_truth",
    "read_labels": "vp_science.sessions.label_log",
    "read_predictions": "vp_science.sessions.prediction",
    "read_probe": "vp_science.sessions.session_probes",
    "read_scores": "vp_science.sessions.probe_scores",
    "read_trained_labels": "vp_science.sessions.session_probes",
    "read_user_settings": "vp_science.sessions.user_settings",
    "recording_spans": "vp_science.sessions.ground_truth",
    "review_state": "vp_science.sessions.review_items",
    "search_example": "vp_science.sessions.search_round",
    "search_examples": "vp_science.sessions.search_round",
    "session_folder": "vp_science.sessions.session",
    "session_request": "vp_science.sessions.search_round",
    "session_tracks": "vp_science.sessions.mapping",
    "training_folder": "vp_science.sessions.session_probes",
    "training_material": "vp_science.sessions.material",
    "unlike_the_others": "vp_science.sessions.tracks",
    "user_cache_folder": "vp_science.sessions.viewing",
    "varied_order": "vp_science.sessions.montage_plan",
    "with_predictions": "vp_science.sessions.label_files",
    "write_user_settings": "vp_science.sessions.user_settings",
}

__all__ = sorted(_HOME)

__getattr__, __dir__ = lazy_names(__name__, _HOME)
